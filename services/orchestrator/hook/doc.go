// Package hook understands the events that other systems send: which signature an event must
// have, what it is about, and whether a hook starts a run for it. It is pure: what it knows
// is in its arguments.
//
// Nothing of an event is believed before its signature is verified, which the service that
// owns the secrets does. A field that a stranger can choose, such as the branch of a fork,
// never becomes the branch of the run: the ref of a pull request is refs/pull/N/head, so a
// condition such as run.branch: main does not hold for it.
package hook
