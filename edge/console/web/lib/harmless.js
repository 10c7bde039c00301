// @ts-check
// Names, labels and output are anybody's text. Control characters and those that
// turn the direction of writing could have it shown as another text, or spoil what
// is beside it: each is shown as a mark in its place.
import { options } from 'preact';

const DIRECTION = /[\u2028-\u202e\u2066-\u2069]/g;
const HIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;
const MARK = '\ufffd';

/** A text of one line or more. */
export const harmless = (text) => text.replace(HIDDEN, MARK);

/** A line of output, whose codes are still to be read. */
export const harmlessLine = (line) => line.replace(DIRECTION, MARK);

/** Has every text that a view shows made harmless. */
export function guardViews() {
  const before = options.vnode;
  options.vnode = (node) => {
    const text = /** @type {any} */ (node);
    if (text.type === null && typeof text.props === 'string') text.props = harmless(text.props);
    before?.(node);
  };
}
