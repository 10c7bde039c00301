// Command limit is what the machine can do at best: each sub-command does no
// more than what nothing could do without, as a process of its own, and prints
// the seconds that it took as JSON.
package main
