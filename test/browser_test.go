package test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// chromium returns the path of this machine's browser.
func chromium(t testing.TB) string {
	t.Helper()
	for _, name := range []string{os.Getenv("HODEI_CHROMIUM"), "chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("the console's tests need a Chromium: make setup, or apt-get install chromium, or name one in HODEI_CHROMIUM")
	return ""
}

// newBrowser prepares a headless Chromium, which starts with its first tab. Endless animations
// would have each page drawn sixty times a second.
func newBrowser(path string, options ...chromedp.ExecAllocatorOption) (context.Context, context.CancelFunc) {
	return chromedp.NewExecAllocator(context.Background(), append(append(chromedp.DefaultExecAllocatorOptions[:], options...),
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WindowSize(1360, 900),
		chromedp.Flag("force-prefers-reduced-motion", true),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.WSURLReadTimeout(time.Minute))...)
}

// shared is the browser of all tests: a start of Chromium takes a second of processor time.
var shared struct {
	once  sync.Once
	ctx   context.Context
	close context.CancelFunc // nil if no test has used it
	err   error
}

func sharedBrowser(t testing.TB) context.Context {
	t.Helper()
	path := chromium(t)
	shared.once.Do(func() {
		browser, stop := newBrowser(path)
		shared.ctx, _ = chromedp.NewContext(browser)
		shared.close = stop
		shared.err = chromedp.Do(shared.ctx)
	})
	require.NoError(t, shared.err, "start Chromium")
	return shared.ctx
}

func closeBrowser() {
	if shared.close != nil {
		_ = chromedp.Cancel(shared.ctx) // the allocator ends what is left
		shared.close()
	}
}

// page is a tab of a headless Chromium, at a console.
type page struct {
	t    testing.TB
	ctx  context.Context
	base string // as in http://127.0.0.1:8080

	mu       sync.Mutex
	problems []string // errors and warnings of the browser's console
	requests []string
	// mayLose allows requests to fail because a server is down.
	mayLose atomic.Bool
	checked bool // at the end
}

// browse opens a tab. At the end of the test it verifies that no other address
// was requested and that the browser's console shows no error.
func browse(t testing.TB, base string) *page {
	t.Helper()
	p := openTab(t, base)
	p.checked = true
	return p
}

// openTab opens a tab in a profile of its own: in the browser that the tests share or, with
// options, in one of its own.
func openTab(t testing.TB, base string, options ...chromedp.ExecAllocatorOption) *page {
	t.Helper()
	var ctx context.Context
	stop := func() {}
	if len(options) == 0 {
		ctx, _ = chromedp.NewContext(sharedBrowser(t), chromedp.WithNewBrowserContext())
	} else {
		ctx, stop = newBrowser(chromium(t), options...)
		ctx, _ = chromedp.NewContext(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute) // for all that a test does in the tab
	p := &page{t: t, ctx: ctx, base: base}
	messages, requests := chromedp.Console(ctx), chromedp.Events(ctx, network.RequestWillBeSent)
	var listening sync.WaitGroup
	listening.Go(func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			p.record(m)
		}
	})
	listening.Go(func() {
		for r, err := range requests {
			if err != nil {
				return
			}
			p.mu.Lock()
			p.requests = append(p.requests, r.Request.URL)
			p.mu.Unlock()
		}
	})
	t.Cleanup(func() {
		if t.Failed() {
			p.keep()
		}
		_ = chromedp.Cancel(ctx) // closes the tab, or fails because the browser has ended
		cancel()
		stop()
		listening.Wait()
		if p.checked {
			p.check()
		}
	})
	require.NoError(t, chromedp.Do(ctx, chromedp.EmulateViewport(1360, 900)))
	return p
}

func (p *page) record(m chromedp.ConsoleMessage) {
	p.mu.Lock()
	defer p.mu.Unlock()
	bad := m.IsException() || m.Type == chromedp.ConsoleError || m.Type == chromedp.ConsoleWarning
	if bad && !(p.mayLose.Load() && m.Source == "network") {
		p.problems = append(p.problems, fmt.Sprintf("%s (%s:%d)", m, m.URL, m.Line))
	}
}

func (p *page) check() {
	p.t.Helper()
	require.Empty(p.t, p.problems, "the console of the browser")
	require.NotEmpty(p.t, p.requests)
	for _, request := range p.requests {
		u, err := url.Parse(request)
		require.NoError(p.t, err)
		if u.Scheme != "data" {
			require.Equal(p.t, p.base, u.Scheme+"://"+u.Host, "nothing must leave the machine")
		}
	}
}

// keep saves what the page shows, for debugging a failure.
func (p *page) keep() {
	shot, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		return
	}
	file, err := os.CreateTemp("", "hodei-console-*.png")
	if err != nil {
		return
	}
	defer file.Close()
	if _, err := file.Write(shot); err == nil {
		p.t.Logf("what was shown is in %s", file.Name())
	}
}

// open opens a path of the console as a new visitor.
func (p *page) open(path string) {
	p.t.Helper()
	require.NoError(p.t, chromedp.Do(p.ctx, chromedp.Navigate(p.base+"/ui"+path)))
}

// visit goes to a path of the console as a link in the page does, which takes a fifth of the
// time of open.
func (p *page) visit(path string) {
	p.t.Helper()
	eval[chromedp.Void](p, `history.pushState(null, '', `+quote("/ui"+path)+`); dispatchEvent(new PopStateEvent('popstate'));
		new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))`)
	p.until(path+" has its data", "!document.querySelector('main [aria-busy]')")
}

// eval returns the value of an expression in the page.
func eval[T any](p *page, expression string) T {
	p.t.Helper()
	value, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	require.NoError(p.t, err, expression)
	return value
}

// until waits for an expression to be true.
func (p *page) until(what, expression string) {
	p.t.Helper()
	p.within(time.Minute, what, expression)
}

// within is until with a time limit, for steps that are slow.
func (p *page) within(bound time.Duration, what, expression string) {
	p.t.Helper()
	eventually(p.t, what, bound, func() bool {
		value, err := chromedp.Run(p.ctx, chromedp.Evaluate[bool]("!!("+expression+")"))
		return err == nil && value
	})
}

// rests waits until no transition is in progress; endless animations do not count.
func (p *page) rests() {
	p.t.Helper()
	eval[chromedp.Void](p, `new Promise(requestAnimationFrame).then(() => Promise.allSettled(document.getAnimations()
		.filter((a) => a.effect?.getComputedTiming().iterations !== Infinity).map((a) => a.finished)))`)
}

// is waits for an expression to equal a text.
func (p *page) is(expression, text string) {
	p.t.Helper()
	p.until(expression+" is "+text, expression+" === "+quote(text))
}

// at waits for the page to be at a path, with its query and fragment.
func (p *page) at(path string) {
	p.t.Helper()
	p.is("location.pathname + location.search + location.hash", path)
}

// quote returns a value as a JavaScript literal.
func quote(value any) string {
	literal, _ := json.Marshal(value)
	return string(literal)
}

// sees waits for a text in the main part of the page.
func (p *page) sees(text string) {
	p.t.Helper()
	p.until("the page shows "+text, "document.querySelector('main').innerText.includes("+quote(text)+")")
}

// click clicks the button or link with that text in the main part of the page,
// or in the open dialog.
func (p *page) click(text string) {
	p.t.Helper()
	find := `[...(document.querySelector('dialog[open]') ?? document.querySelector('main')).querySelectorAll('button, a')]
		.find((b) => (b.innerText.trim() === ` + quote(text) + ` || b.getAttribute('aria-label') === ` + quote(text) + `) && !b.disabled && b.checkVisibility())`
	p.until("there is a button "+text, find)
	eval[chromedp.Void](p, `(() => { const b = `+find+`; b.scrollIntoView({ block: 'center' }); b.focus(); b.click(); })()`)
}

// fill types into the field with that label.
func (p *page) fill(label, text string) {
	p.t.Helper()
	find := `[...document.querySelectorAll('label')].find((l) => l.innerText.trim() === ` + quote(label) + `)?.control`
	p.until("there is a field "+label, find)
	eval[chromedp.Void](p, `(() => { const f = `+find+`; f.focus(); f.select?.(); })()`)
	require.NoError(p.t, chromedp.Do(p.ctx, func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, input.InsertText, input.InsertTextParams{Text: text})
		return chromedp.Void{}, err
	}))
}

// press presses keys.
func (p *page) press(keys string) {
	p.t.Helper()
	require.NoError(p.t, chromedp.Do(p.ctx, chromedp.KeyEvent(keys)))
}

// chord presses two keys one after the other, in one task of the page: they count together
// only within a second, and a busy machine takes longer between two messages to the browser.
func (p *page) chord(keys string) {
	p.t.Helper()
	eval[chromedp.Void](p, "[..."+quote(keys)+"].forEach(key => (document.activeElement ?? document.body).dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true })))")
}

// search types into the search box of the log, which a key opens.
func (p *page) search(text string) {
	p.t.Helper()
	eval[chromedp.Void](p, "document.activeElement.blur()")
	p.press("/")
	p.until("the box has the focus", "document.activeElement.matches('.log-search input')")
	// The browser's own keyboard would not type the key that opened the box.
	eval[chromedp.Void](p, "document.activeElement.select()")
	p.press(text)
}

// theme makes the page see a light or dark system.
func (p *page) theme(scheme string) {
	p.t.Helper()
	require.NoError(p.t, chromedp.Do(p.ctx, func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return chromedp.Void{}, err
	}))
}

// lines returns the visible lines of the log, by their numbers.
func (p *page) lines() map[string]string {
	return eval[map[string]string](p, `Object.fromEntries([...document.querySelectorAll('.log-row')]
		.map((r) => [r.querySelector('.log-number').innerText, r.querySelector('.log-text')?.innerText ?? null]).filter(([, text]) => text !== null))`)
}

// wholeLog reads every line by scrolling through the log.
func (p *page) wholeLog(count int) []string {
	p.t.Helper()
	all := make([]string, count+1)
	for at := 1; at <= count; {
		eval[chromedp.Void](p, fmt.Sprintf(`document.querySelector('.log-scroll').scrollTop = %d`, (at-1)*20))
		p.until(fmt.Sprintf("line %d is in sight", at), fmt.Sprintf(`[...document.querySelectorAll('.log-row')].some((r) =>
			r.querySelector('.log-number').innerText === '%d' && r.querySelector('.log-text'))`, at))
		seen := p.lines()
		for at <= count {
			text, ok := seen[fmt.Sprint(at)]
			if !ok {
				break
			}
			all[at] = strings.TrimSuffix(text, "\n")
			at++
		}
	}
	return all[1:]
}
