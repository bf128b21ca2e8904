package breaker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"tocsin/breaker"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(seconds float64) time.Time { return noon.Add(time.Duration(seconds * float64(time.Second))) }

// One step follows the other, as in an endpoint's life.
func TestLifeOfAnEndpoint(t *testing.T) {
	t.Parallel()
	p := breaker.TargetPolicy()
	p.Fails = 3
	ended := func(v breaker.Verdict, began, end float64, change ...func(*breaker.Evidence)) func(breaker.State) breaker.State {
		e := breaker.Evidence{Verdict: v, Began: at(began), Ended: at(end), Reason: "503"}
		for _, c := range change {
			c(&e)
		}
		return func(s breaker.State) breaker.State {
			after, changed := p.After(s, e)
			require.Equal(t, after != s, changed)
			return after
		}
	}
	claim := func(when float64) func(breaker.State) breaker.State {
		return func(s breaker.State) breaker.State { return p.Claim(s, at(when)) }
	}
	probe := func(e *breaker.Evidence) { e.Probe = true }
	beside := func(n int) func(*breaker.Evidence) { return func(e *breaker.Evidence) { e.Beside = n } }
	asks := func(wait time.Duration) func(*breaker.Evidence) { return func(e *breaker.Evidence) { e.Wait = wait } }

	var s breaker.State
	for _, step := range []struct {
		what    string
		do      func(breaker.State) breaker.State
		phase   breaker.Phase
		failing float64       // seconds; -1: it works
		open    time.Duration // about; of Open
	}{
		{"works", ended(breaker.Worked, 0, 1), breaker.Closed, -1, 0},
		{"fails", ended(breaker.Failed, 1, 2), breaker.Closed, 2, 0},
		{"fails again", ended(breaker.Failed, 2, 3), breaker.Closed, 2, 0},
		{"works, and is not counted on any more", ended(breaker.Worked, 3, 4), breaker.Closed, -1, 0},
		{"fails", ended(breaker.Failed, 4, 5), breaker.Closed, 5, 0},
		{"refuses something, so it answers", ended(breaker.Refused, 5, 6), breaker.Closed, 5, 0},
		{"fails once", ended(breaker.Failed, 6, 7), breaker.Closed, 5, 0},
		{"fails with another that hangs", ended(breaker.Failed, 7, 8, beside(1)), breaker.Open, 5, 5 * time.Second},
		{"one that was under way fails", ended(breaker.Failed, 7, 9), breaker.Open, 5, 5 * time.Second},
		{"one asks", claim(14), breaker.HalfOpen, 5, 0},
		{"one that was under way fails", ended(breaker.Failed, 7, 15), breaker.HalfOpen, 5, 0},
		{"is not asked after all", ended(breaker.Unknown, 15, 15, probe), breaker.Open, 5, -time.Nanosecond},
		{"one asks", claim(16), breaker.HalfOpen, 5, 0},
		{"fails", ended(breaker.Failed, 16, 17, probe), breaker.Open, 5, 10 * time.Second},
		{"one asks", claim(30), breaker.HalfOpen, 5, 0},
		{"wants to be left alone", ended(breaker.Failed, 30, 31, probe, asks(2*time.Minute)), breaker.Open, 5, 2 * time.Minute},
		{"one asks", claim(160), breaker.HalfOpen, 5, 0},
		{"wants to be left alone for ever", ended(breaker.Failed, 160, 161, probe, asks(24*time.Hour)), breaker.Open, 5, 5 * time.Minute},
		{"one asks", claim(500), breaker.HalfOpen, 5, 0},
		{"refuses it, so it answers", ended(breaker.Refused, 500, 501, probe), breaker.Recovering, 5, 0},
		{"fails as before", ended(breaker.Failed, 499, 502), breaker.Recovering, 5, 0},
		{"fails anew", ended(breaker.Failed, 502, 503), breaker.Open, 5, 80 * time.Second},
		{"one asks", claim(600), breaker.HalfOpen, 5, 0},
		{"works", ended(breaker.Worked, 600, 601, probe), breaker.Recovering, -1, 0},
		{"works on", ended(breaker.Worked, 601, 602), breaker.Recovering, -1, 0},
		{"fails too soon", ended(breaker.Failed, 602, 603), breaker.Open, 603, 160 * time.Second},
		{"one that was under way works", ended(breaker.Worked, 602, 604), breaker.Recovering, -1, 0},
		{"fails when it has long recovered", ended(breaker.Failed, 700, 701), breaker.Closed, 701, 0},
		{"fails", ended(breaker.Failed, 701, 702, beside(9)), breaker.Open, 701, 5 * time.Second},
	} {
		s = step.do(s)
		require.Equal(t, step.phase, s.Phase, step.what)
		if step.failing < 0 {
			require.Zero(t, s.Failing, step.what)
		} else {
			require.Equal(t, at(step.failing), s.Failing, step.what)
		}
		if step.open > 0 {
			require.InEpsilon(t, step.open, s.Until.Sub(s.Changed), 0.21, step.what)
		}
	}
}

func TestWhatAStateAdmits(t *testing.T) {
	t.Parallel()
	p := breaker.TargetPolicy()
	for _, c := range []struct {
		state breaker.State
		want  breaker.Admission
	}{
		{breaker.State{}, breaker.Pass},
		{breaker.State{Fails: 4, Failing: noon}, breaker.Pass},
		{breaker.State{Phase: breaker.Open, Until: at(1)}, breaker.Hold},
		{breaker.State{Phase: breaker.Open, Until: at(0)}, breaker.Probe},
		{breaker.State{Phase: breaker.HalfOpen, Until: at(1)}, breaker.Hold},
		{breaker.State{Phase: breaker.HalfOpen, Until: at(-1)}, breaker.Probe}, // whoever asked has died
		{breaker.State{Phase: breaker.Recovering, Changed: noon}, breaker.Pass},
		{breaker.State{Phase: breaker.Open, Until: noon.Add(4 * 24 * time.Hour)}, breaker.Probe},     // by a clock that was wrong
		{breaker.State{Phase: breaker.HalfOpen, Until: noon.Add(4 * 24 * time.Hour)}, breaker.Probe}, // the same
	} {
		require.Equal(t, c.want, p.Admits(c.state, noon), "%+v", c.state)
	}
}

func TestWayBackIsARamp(t *testing.T) {
	t.Parallel()
	p := breaker.TargetPolicy()
	s := breaker.State{Phase: breaker.Recovering, Changed: noon}
	var limits []int
	for second := range 9 {
		limits = append(limits, p.Limit(s, at(float64(second)), 8))
	}
	require.Equal(t, []int{1, 1, 2, 2, 4, 4, 8, 8, 8}, limits)
	require.Equal(t, 128, p.Limit(s, at(29), 128))
	require.Equal(t, 1000, p.Limit(s, at(1e6), 1000))
	require.Equal(t, 1, p.Limit(s, at(-5), 8), "by the clock of a worker that is behind")
	require.Equal(t, 8, p.Limit(breaker.State{}, noon, 8))
}

// 50,000 deliveries that wait for an endpoint which stays dead come round some
// 200 times a second, once every few minutes each.
func TestWhatIsHeldBackIsSpread(t *testing.T) {
	t.Parallel()
	p := breaker.TargetPolicy()
	s := breaker.State{Phase: breaker.Open, Opened: 20, Until: at(60)}
	require.Equal(t, time.Minute, p.Rest(s, noon, 0))
	require.Equal(t, time.Minute+150*time.Second, p.Rest(s, noon, 0.5))
	fresh := breaker.State{Phase: breaker.Open, Opened: 1, Until: at(5)}
	require.InDelta(t, 10, p.Rest(fresh, noon, 1).Seconds(), 0.01)
}

// The answer to the attempt that tells whether an endpoint is back mostly comes
// within milliseconds. Who meets it in between does not wait for its lease.
func TestWhoMeetsTheAttemptThatTellsComesBackSoon(t *testing.T) {
	t.Parallel()
	p := breaker.TargetPolicy()
	s := p.Claim(breaker.State{Phase: breaker.Open, Opened: 1, Until: noon}, noon)
	for _, c := range []struct {
		after, rest float64 // seconds
		why         string
	}{
		{0.01, 0.01, "it has just begun"},
		{20, 20, "it hangs"},
		{45, 15, "it is taken for lost then"},
	} {
		require.InDelta(t, c.rest, p.Rest(s, at(c.after), 0).Seconds(), 0.001, c.why)
	}
	require.InDelta(t, 5, p.Rest(s, at(0), 1).Seconds(), 0.001, "spread as over the time that it was open")
	require.Zero(t, p.Rest(s, at(-5), 0), "by the clock of a worker that is behind")
}

// Whatever happens to an endpoint: it is open for no longer than is allowed; a
// success ends its trouble; failures do not make the trouble any younger; and
// what is noted is read again as it was.
func TestEveryLifeKeepsTheRules(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := breaker.HostPolicy()
		var s breaker.State
		now := noon
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(1, 400_000).Draw(t, "ms")) * time.Millisecond)
			before := s
			if p.Admits(s, now) == breaker.Probe && rapid.Bool().Draw(t, "claims") {
				s = p.Claim(s, now)
				require.Equal(t, breaker.Hold, p.Admits(s, now), "nobody else asks")
				continue
			}
			e := breaker.Evidence{
				Verdict: breaker.Verdict(rapid.IntRange(0, 3).Draw(t, "verdict")),
				Began:   now.Add(-time.Duration(rapid.IntRange(0, 30_000).Draw(t, "took")) * time.Millisecond), Ended: now,
				Probe: s.Phase == breaker.HalfOpen && rapid.Bool().Draw(t, "probe"), Beside: rapid.IntRange(0, 9).Draw(t, "beside"),
				Wait: time.Duration(rapid.IntRange(0, 100_000).Draw(t, "wait")) * time.Second,
			}
			s, _ = p.After(s, e)
			if s.Phase == breaker.Open {
				require.LessOrEqual(t, s.Until.Sub(now), p.Longest*6/5)
			}
			switch {
			case e.Verdict == breaker.Worked:
				require.Zero(t, s.Failing)
				require.Equal(t, breaker.Pass, p.Admits(s, now))
			case !before.Failing.IsZero():
				require.Equal(t, before.Failing, s.Failing)
			}
			read := breaker.ParseRecord(breaker.RecordOf(s).Text())
			require.Equal(t, s, read.State)
		}
	})
}

func TestDamagedRecordIsWrittenOver(t *testing.T) {
	t.Parallel()
	r := breaker.ParseRecord("{damaged")
	require.Zero(t, r.State)
	require.Equal(t, "{damaged", r.Text())
}
