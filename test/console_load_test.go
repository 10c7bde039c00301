package test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	devtools "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// gauge measures a page under load: the time between frames, and the tasks that
// block rendering for more than 50 ms.
const gauge = `(() => {
	window.gauge = { gaps: [], long: [], clear() { this.gaps = []; this.long = []; } };
	new PerformanceObserver((list) => window.gauge.long.push(...list.getEntries().map((task) => task.duration))).observe({ type: 'longtask', buffered: true });
	const frame = (last) => requestAnimationFrame((at) => { if (last) window.gauge.gaps.push(at - last); frame(at); });
	frame(0);
})()`

// smoothness is in milliseconds and MiB.
type smoothness struct {
	Frames             int
	Median, P99, Worst float64 // between two frames
	Long               int     // tasks of over 50 ms
	LongTotal          float64
	Heap               float64
	Nodes              int
}

func (g smoothness) String() string {
	return fmt.Sprintf("%d frames, %.0f ms apart (99%% within %.0f, at worst %.0f); %d tasks over 50 ms, %.0f ms in all; heap %.0f MiB, %d nodes",
		g.Frames, g.Median, g.P99, g.Worst, g.Long, g.LongTotal, g.Heap, g.Nodes)
}

// watched measures every document that is opened from now on.
func (p *page) watched() { p.runs(gauge) }

// runs runs a script in every document that is opened from now on, before its own.
func (p *page) runs(script string) {
	p.t.Helper()
	require.NoError(p.t, chromedp.Do(p.ctx, func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, devtools.AddScriptToEvaluateOnNewDocument, devtools.AddScriptToEvaluateOnNewDocumentParams{Source: script})
		return chromedp.Void{}, err
	}))
}

// smooth returns the measurements since the last call.
func (p *page) smooth() smoothness {
	p.t.Helper()
	return eval[smoothness](p, `(() => {
		const gaps = gauge.gaps.toSorted((a, b) => a - b);
		const at = (share) => gaps[Math.min(gaps.length - 1, Math.floor(share * gaps.length))] ?? 0;
		const answer = { Frames: gaps.length, Median: at(0.5), P99: at(0.99), Worst: at(1), Long: gauge.long.length,
			LongTotal: gauge.long.reduce((sum, ms) => sum + ms, 0), Heap: performance.memory.usedJSHeapSize / 2 ** 20, Nodes: document.querySelectorAll('*').length };
		gauge.clear();
		return answer;
	})()`)
}

// scrolls scrolls the element to its end, step pixels a frame.
func (p *page) scrolls(element string, step int) {
	p.t.Helper()
	eval[chromedp.Void](p, fmt.Sprintf(`new Promise((done) => {
		const box = %s;
		const move = () => {
			const before = box.scrollTop;
			box.scrollTop += %d;
			if (box.scrollTop === before) done(); else requestAnimationFrame(move);
		};
		requestAnimationFrame(move);
	})`, element, step))
}

// opens opens a view and returns the milliseconds until the expression is true.
func (p *page) opens(path, expression string) float64 {
	p.t.Helper()
	p.open(path)
	// Check in every frame, and keep the result for the next call.
	eval[chromedp.Void](p, `(() => { const look = () => { if (`+expression+`) window.there = performance.now(); else requestAnimationFrame(look); }; look(); })()`)
	p.until(path+" is there", "window.there")
	return eval[float64](p, "window.there")
}

// TestConsoleUnderLoad: five hundred running executions and sixty workers are on screen
// while others come and go.
func TestConsoleUnderLoad(t *testing.T) {
	t.Parallel()
	const workers, running, slots = 60, 500, 600
	s := up(t, "--workers", fmt.Sprint(workers), "--worker-capacity", fmt.Sprint(slots/workers))
	var group errgroup.Group
	group.SetLimit(8)
	// They end when the test writes to the gate: killing so many, each with a
	// search for its descendants, would take longer than the rest of the test.
	gate := filepath.Join(t.TempDir(), "gate")
	require.NoError(t, syscall.Mkfifo(gate, 0o600))
	for range running {
		group.Go(func() error {
			s.execute("cat " + gate)
			return nil
		})
	}
	require.NoError(t, group.Wait())
	p := browse(t, s.orchestrator)
	p.watched()
	churn := func() {
		for range 50 {
			s.ended(s.execute("true"))
		}
	}

	rows := `document.querySelectorAll('[aria-label="Running now"] .row').length`
	t.Logf("the overview is there after %.0f ms: %s", p.opens("/", rows+fmt.Sprintf(" === %d", running)), p.smooth())
	eval[chromedp.Void](p, "new Promise((done) => setTimeout(done, 1000))")
	t.Logf("looked at for 1 s: %s", p.smooth())
	churn()
	t.Logf("while 50 executions come and go: %s", p.smooth())
	p.scrolls("document.scrollingElement", 300)
	t.Logf("scrolled from end to end: %s", p.smooth())
	p.until("all are shown, and no other", fmt.Sprintf("%s === %d && document.title.startsWith('%d running')", rows, running, running))

	cards := `document.querySelectorAll('.card.worker').length`
	t.Logf("the workers are there after %.0f ms: %s", p.opens("/workers", cards+fmt.Sprintf(" === %d", workers)), p.smooth())
	p.until("what runs is on the cards", "[...document.querySelectorAll('.card-runs')].every((runs) => runs.childElementCount > 0)")
	eval[chromedp.Void](p, "new Promise((done) => setTimeout(done, 1000))")
	t.Logf("looked at for 1 s: %s", p.smooth())
	churn()
	t.Logf("while 50 executions come and go: %s", p.smooth())
	p.scrolls("document.scrollingElement", 300)
	t.Logf("scrolled from end to end: %s", p.smooth())
	p.sees(fmt.Sprintf("%d of %d slots used", running, slots))
	require.NoError(t, os.WriteFile(gate, nil, 0))
	p.sees(fmt.Sprintf("0 of %d slots used", slots))
}

// TestConsoleMillionLines: a log of a million lines opens at any line, scrolls
// with only the visible lines in the page, and is searched to its end.
func TestConsoleMillionLines(t *testing.T) {
	t.Parallel()
	const count = 1_000_000
	s := up(t)
	id := s.execute(fmt.Sprintf("seq -f 'this is line %%.0f' %d", count))
	eventually(t, "the log is written", 3*time.Minute, func() bool {
		_, e := call(t, "GET", s.orchestrator+"/executions/"+id, "")
		return e["status"] == "COMPLETED"
	})
	p := browse(t, s.orchestrator)
	p.watched()
	shown := func(line int) string {
		return fmt.Sprintf(`[...document.querySelectorAll('.log-text')].some((t) => t.textContent === 'this is line %d')`, line)
	}
	t.Logf("its line 777,777 is there after %.0f ms: %s", p.opens(fmt.Sprintf("/executions/%s#L777777", id), shown(777_777)), p.smooth())
	p.chord("gg")
	p.until("the first line is shown", shown(1))
	p.smooth()
	eval[chromedp.Void](p, `new Promise((done) => {
		const box = document.querySelector('.log-scroll');
		let frames = 180;
		const move = () => { box.scrollTop += 200; if (--frames) requestAnimationFrame(move); else done(); };
		move();
	})`)
	t.Logf("scrolled for 180 frames: %s", p.smooth())
	for _, share := range []float64{0.9, 0.1, 0.5, 0.7, 0.3} {
		took := eval[float64](p, fmt.Sprintf(`new Promise((done) => {
			const box = document.querySelector('.log-scroll');
			const began = performance.now();
			box.scrollTop = %v * (box.scrollHeight - box.clientHeight);
			const look = () => {
				const first = [...document.querySelectorAll('.log-row')].find((r) => r.getBoundingClientRect().bottom > box.getBoundingClientRect().top);
				const number = Number(first?.querySelector('.log-number').textContent);
				if (Math.abs(number - %v) < 200 && first.querySelector('.log-text')?.textContent === 'this is line ' + number) done(performance.now() - began);
				else requestAnimationFrame(look);
			};
			requestAnimationFrame(look);
		})`, share, share*count))
		t.Logf("thrown to %.0f%% of it, the lines are there after %.0f ms", 100*share, took)
	}
	require.Less(t, eval[int](p, "document.querySelectorAll('.log-row').length"), 200)
	p.smooth()
	began := time.Now()
	p.search("line 999999")
	p.within(2*time.Minute, "all of it is searched", "document.querySelector('.log-search').innerText.includes('1 of 1') && !document.querySelector('.log-search').innerText.includes('%')")
	t.Logf("searched to its end in %.1f s: %s", time.Since(began).Seconds(), p.smooth())
	p.sees("this is line 999999")
	p.press("\x1b")
	p.press("G")
	p.until("the last line is shown", shown(count))
}
