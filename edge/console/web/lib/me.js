// @ts-check
// Who uses the page, and what they may do. The server decides; the page only leaves out
// what would be refused.
import { signal } from '@preact/signals';

/** Who uses the page: undefined while it is not known, null before the sign-in.
 * @type {import('@preact/signals').Signal<{kind: string, name: string, role: string} | null | undefined>} */
export const me = signal(undefined);

export const roles = ['viewer', 'developer', 'operator', 'admin'];

/** Whether the role of the user includes this one. */
export const may = (role) => !!me.value && roles.indexOf(me.value.role) >= roles.indexOf(role);
