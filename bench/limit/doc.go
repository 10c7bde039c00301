// Command limit measures the limits of the machine: each sub-command does only
// the unavoidable work, as a separate process, and prints the seconds that it
// took as JSON.
package main
