package chaos

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	full = flag.Bool("full", false, "every fault, one after the other, and not only the short form")
	seed = flag.Uint64("seed", 1, "what decides order, times and victims")

	partitions = flag.Int("partitions", 1, "streams of first attempts")
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(inFolder(m))
}

// inFolder runs the tests in a folder of their own, for what they build and
// store, and removes it.
func inFolder(m *testing.M) int {
	dir, err := os.MkdirTemp("", "tocsin-chaos-")
	if err == nil {
		defer func() { _ = os.RemoveAll(dir) }()
		err = os.Setenv("TMPDIR", dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "make a folder for the chaos suite:", err)
		return 1
	}
	defer results.print()
	return m.Run()
}

// fault is one thing that goes wrong, under load.
type fault struct {
	name string
	does func(s *site) // returns when it is over; load goes on meanwhile
	// most is how many duplicates there may be, but for deliveries that were not
	// answered in time; nil: they are counted only.
	most func(s *site) int
	with []func(*site) // options of newSite
}

func none(*site) int { return 0 }

// run breaks a site of its own once, and judges.
func (f fault) run(t *testing.T, seed uint64, rate float64) verdict {
	t.Helper()
	s := newSite(t, seed, f.with...)
	for range 2 {
		s.startWorker()
	}
	began := time.Now()
	l := s.begin(rate)
	s.load = l
	s.await(l, 2*rate)
	s.changeMind()
	f.does(s)
	calm := time.Now()
	s.far.becalm()
	s.await(l, float64(l.count())+rate)
	events := l.end()
	s.settle()
	settled := time.Now()
	v := s.judge(events, calm)
	s.rest()
	results.add(f.name, v)
	t.Logf("seed %d: %s; load %.0f s, until nothing waited %.0f s", seed, v, calm.Sub(began).Seconds(), settled.Sub(calm).Seconds())
	require.Empty(t, v.wrong, "seed %d\n%s", seed, s.lastWords())
	if f.most != nil {
		require.LessOrEqual(t, v.duplicates-v.unanswered, f.most(s), "duplicates\n%s", strings.Join(v.repeated, "\n"))
	}
	return v
}

// await waits until so many events are published.
func (s *site) await(l *load, n float64) {
	require.Eventually(s.t, func() bool { return l.count() >= int(n) }, time.Minute, 10*time.Millisecond)
}

func (v verdict) String() string {
	return fmt.Sprintf("%d events, %d deliveries: %d delivered, %d suppressed, %d dead, %d duplicates (%d not answered in time); recovered after %.1f s",
		v.events, v.deliveries, v.delivered, v.suppressed, v.dead, v.duplicates, v.unanswered, v.recovered.Seconds())
}

// table collects the verdicts of a run of the tests.
type table struct {
	mu   sync.Mutex
	rows []string
}

var results table

func (r *table) add(name string, v verdict) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rows = append(r.rows, fmt.Sprintf("%s\t%d\t%d\t%d\t%d\t%d\t%.1f\t%d", name,
		v.events, v.deliveries, v.suppressed, v.dead, v.duplicates, v.recovered.Seconds(), len(v.wrong)))
}

func (r *table) print() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.rows) == 0 {
		return
	}
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "FAULT\tEVENTS\tDELIVERIES\tSUPPRESSED\tDEAD\tDUPLICATES\tRECOVERED (s)\tWRONG")
	fmt.Fprintln(out, strings.Join(r.rows, "\n"))
	_ = out.Flush()
	fmt.Println("seed", *seed)
}

// TestEveryFault runs as many faults at a time as there are processors: most of
// the time, each waits until somebody gives up.
func TestEveryFault(t *testing.T) {
	runEach(t, faults())
}

func runEach(t *testing.T, faults []fault) {
	t.Helper()
	if !*full {
		t.Skip("with -full, as make chaos does; TestFaultsTogether is the short form")
	}
	for i, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			f.run(t, *seed+uint64(i), fullRate)
		})
	}
}

const fullRate = 20
