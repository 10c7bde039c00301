package main

import (
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/hodei-jobs/hodei/internal/cli/render"
)

// openTerminal opens a pseudo-terminal: the user's end and the program's end.
func openTerminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { person.Close() })
	fd := int(person.Fd())
	require.NoError(t, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	require.NoError(t, err)
	require.NoError(t, unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 200}))
	program, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	return person, program
}

// onTerminal runs hodei on a terminal, sends Ctrl-C when the output matches
// mark (unless mark is ""), and returns the whole output.
func onTerminal(t *testing.T, mark string, args ...string) (shown string, status int) {
	t.Helper()
	person, program := openTerminal(t)
	cmd := exec.Command("hodei", args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = program, program, program
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(t, cmd.Start())
	program.Close()
	watchdog := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer watchdog.Stop()
	buf := make([]byte, 4096)
	for pressed := mark == ""; ; {
		n, err := person.Read(buf)
		shown += string(buf[:n])
		if err != nil { // EIO after the program has closed its end
			break
		}
		if !pressed && regexp.MustCompile(mark).MatchString(shown) {
			_, err := io.WriteString(person, "\x03")
			require.NoError(t, err)
			pressed = true
		}
	}
	_ = cmd.Wait() // the error is in the process state
	return shown, cmd.ProcessState.ExitCode()
}

// testTerminal tests what a user sees on a terminal.
func testTerminal(t *testing.T, server string) {
	t.Setenv("HODEI_SERVER", server)
	t.Setenv("TERM", "xterm")
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())

	shown, status := onTerminal(t, "", "exec", "-c", "echo one; sleep 1.5; echo two >&2; exit 3")
	require.Equal(t, 3, status)
	require.Regexp(t, `running on \S+, Ctrl-C leaves it running · \ds`, shown)
	require.Contains(t, shown, render.Wipe+"two\r\n", "the line at the foot makes room")
	require.Regexp(t, `✗ FAILED \(EXIT_CODE 3\) after \d+(\.\d)?s\r\n`, shown) // 1.5s, or more on a busy machine
	require.Equal(t, 1, strings.Count(shown, "one"))

	// The output of a command must not control the terminal. A pipe gets it
	// unchanged.
	const attack = `\033]52;c;aGVsbG8=\007\033]0;title\007\033[2J\033[31mred\n`
	shown, status = onTerminal(t, "", "exec", "-c", `printf '`+attack+`'; echo fails; exit 3`)
	require.Equal(t, 3, status)
	require.Contains(t, shown, "\x1b[31mred\r\n")
	require.NotContains(t, shown, "\x1b]")
	require.NotContains(t, shown, "\x1b[2J")
	require.Contains(t, shown, "\x1b[0m", "the colour ends with the log")
	latest := regexp.MustCompile(`exec_[0-9a-f-]{36}`).FindString(shown)
	shown, _ = onTerminal(t, "", "logs", latest)
	require.Equal(t, "\x1b[31mred\r\nfails\r\n\x1b[0m", shown)
	piped, err := exec.Command("hodei", "logs", latest).Output()
	require.NoError(t, err)
	require.Equal(t, "\x1b]52;c;aGVsbG8=\a\x1b]0;title\a\x1b[2J\x1b[31mred\nfails\n", string(piped))

	shown, status = onTerminal(t, "", "exec", "--", "true")
	require.Zero(t, status)
	require.Contains(t, shown, "✓ COMPLETED after ")

	shown, status = onTerminal(t, "waiting: no worker of type absent", "exec", "--type", "absent", "--", "true")
	require.Equal(t, 130, status)
	require.Regexp(t, `\r\x1b\[K\r?\ndetached; exec_\S+ goes on\r\n  hodei logs -f exec_\S+\r\n  hodei execution cancel exec_\S+\r\n  hodei explain exec_`, shown)
	id := regexp.MustCompile(`exec_[0-9a-f-]{36}`).FindString(shown)

	shown, status = onTerminal(t, "(?s)POSITION.*POSITION", "queue", "--watch")
	require.Equal(t, 130, status)
	require.Contains(t, shown, id)
	require.Equal(t, 1, strings.Count(shown, "\x1b[2J"), "cleared once, then painted over")
	require.NoError(t, exec.Command("hodei", "execution", "cancel", id).Run())

	shown, _ = onTerminal(t, "", "execution", "show", id)
	require.Contains(t, shown, "\x1b[33mCANCELLED\x1b[0m")
	t.Setenv("NO_COLOR", "1")
	shown, _ = onTerminal(t, "", "execution", "show", id)
	require.NotContains(t, shown, "\x1b")
}
