// @ts-check
// Names, labels and output are untrusted text. Control characters and those that
// change the writing direction could disguise a text or affect its surroundings.
// Each is displayed as a mark.
import { options } from 'preact';

const DIRECTION = /[\u2028-\u202e\u2066-\u2069]/g;
const HIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;
const MARK = '\ufffd';

/** A text of one line or more. */
export const harmless = (text) => text.replace(HIDDEN, MARK);

/** A line of output before its escape codes are interpreted. */
export const harmlessLine = (line) => line.replace(DIRECTION, MARK);

/** Sanitizes every text that a view renders. */
export function guardViews() {
  const before = options.vnode;
  options.vnode = (node) => {
    const text = /** @type {any} */ (node);
    if (text.type === null && typeof text.props === 'string') text.props = harmless(text.props);
    before?.(node);
  };
}
