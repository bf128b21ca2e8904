package chaos

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"tocsin/prefs"
	"tocsin/queue"
	"tocsin/servertest"
)

const secretsKey = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="

// site is an installation: servers, far ends, people, and a fleet of workers
// that reach each of them through a proxy.
type site struct {
	t      *testing.T
	chance *rand.Rand // of this run; not for use by several goroutines

	nats    *servertest.NATSProcess // nil where there is a cluster
	cluster *servertest.NATSCluster // nil where there is one nats-server
	redis   *servertest.RedisServer // nil where there is a group
	group   *servertest.RedisGroup
	far     *farEnds
	nets    map[string]*proxy // by what is behind: "nats", "redis", "webhook", "ios", "email"; see withNATSCluster

	fleetNATS string // where workers look for NATS
	disk      string // of nats-server, which alone uses it; empty: a temporary folder

	queue   *queue.Queue // not through a proxy
	store   *prefs.Store // likewise
	workers []*servertest.Process
	load    *load
	flying  int // deliveries in hand when workers were killed
}

// program builds the real binary once, with the points at which a worker can be
// told to die.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "tocsin-chaos-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "tocsin")
	out, err := exec.Command("go", "build", raceFlag, "-tags", "chaos", "-o", path, "tocsin/cmd/tocsin").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build tocsin: %w: %s", err, out)
	}
	return path, nil
})

// newSite starts an installation. Options put other servers in the place of the
// usual ones.
func newSite(t *testing.T, seed uint64, options ...func(*site)) *site {
	t.Helper()
	s := &site{t: t, chance: rand.New(rand.NewPCG(seed, seed)), nets: map[string]*proxy{}}
	for _, option := range options {
		option(s)
	}
	if s.cluster == nil {
		s.startNATS()
	}
	if s.group == nil {
		s.redis = servertest.StartRedis(t, "--appendonly", "yes", "--appendfsync", "everysec")
		s.nets["redis"] = newProxy(t, s.redis.Address())
	}
	s.far = newFarEnds(t, seed)
	for channel, address := range s.far.addresses() {
		s.nets[channel] = newProxy(t, address)
	}
	var err error
	s.queue, err = queue.Connect(queue.Options{URL: s.natsURL(), Name: "chaos", Partitions: *partitions, Log: zap.NewNop()})
	require.NoError(t, err)
	t.Cleanup(s.queue.Close)
	require.NoError(t, s.queue.Setup(t.Context(), len(s.natsServers())))
	s.store = s.openStore()
	require.NoError(t, s.directory().Save(t.Context(), s.store))
	return s
}

func (s *site) startNATS() {
	if s.disk == "" {
		s.disk = s.t.TempDir()
	}
	s.nats = servertest.StartNATSIn(s.t, s.disk)
	s.nets["nats"] = newProxy(s.t, s.nats.Address())
	s.fleetNATS = "nats://" + s.nets["nats"].address()
}

// natsURL is where NATS is reached by what is not of the fleet.
func (s *site) natsURL() string {
	if s.cluster != nil {
		return s.cluster.URL()
	}
	return s.nats.URL()
}

func (s *site) openStore() *prefs.Store {
	address := s.workersRedis()
	if s.redis != nil {
		address = s.redis.URL()
	}
	client, err := prefs.Open(address)
	require.NoError(s.t, err)
	s.t.Cleanup(func() { _ = client.Close() })
	keys, err := prefs.ParseKeys(secretsKey)
	require.NoError(s.t, err)
	return prefs.NewStore(client, keys)
}

// workersRedis is the Redis URL of workers. Servers of a group announce their own
// addresses, and no proxy is in between.
func (s *site) workersRedis() string {
	if s.group != nil {
		return s.group.URL()
	}
	return "redis://" + s.nets["redis"].address() + "/0"
}

// The slots of a worker are few, so that a fault meets a queue and not only
// workers that wait.
var slots = map[string]int{"route": 8, "webhook": 32, "ios": 8, "email": 8}

// webhookTimeout is how long a webhook may take for its answer.
const webhookTimeout = 3 * time.Second

// startWorker adds a worker to the fleet and returns when it works. env is for
// this one alone.
func (s *site) startWorker(env ...string) *servertest.Process {
	s.t.Helper()
	path, err := program()
	require.NoError(s.t, err)
	var concurrency []string
	for part, n := range slots {
		concurrency = append(concurrency, fmt.Sprintf("%s=%d", part, n))
	}
	keys := s.far.keys
	worker := servertest.NewProcess(s.t, `"working"`, env, path, "worker",
		"--nats-url", s.fleetNATS, "--redis-url", s.workersRedis(),
		"--secrets-key", secretsKey, "--metrics-addr", "off", "--webhook-allow", "127.0.0.0/8", "--webhook-timeout", webhookTimeout.String(),
		"--partitions", strconv.Itoa(*partitions), "--concurrency", strings.Join(concurrency, ","), "--retry-initial", "500ms", "--retry-max", "3s",
		"--smtp-url", "smtp://"+s.nets["email"].address()+"?tls=none", "--smtp-from", "tocsin@example.com",
		"--apns-url", "https://"+s.nets["ios"].address(), "--apns-ca-file", keys.CAFile, "--apns-key-file", keys.KeyFile,
		"--apns-key-id", keys.KeyID, "--apns-team-id", keys.TeamID, "--apns-topic", keys.Topic,
	)
	worker.Start()
	s.workers = append(s.workers, worker)
	return worker
}

// gone takes a worker that has ended from the fleet.
func (s *site) gone(worker *servertest.Process) {
	for i, w := range s.workers {
		if w == worker {
			s.workers = append(s.workers[:i:i], s.workers[i+1:]...)
			return
		}
	}
}

func (s *site) anyWorker() *servertest.Process { return s.workers[s.chance.IntN(len(s.workers))] }

// offered are the channels of the installation.
var offered = []string{"email", "ios", "webhook"}

// endpoint is the webhook of the n-th person. Each is on a host of its own.
func (s *site) endpoint(m member, n int) string {
	_, port, _ := net.SplitHostPort(s.nets["webhook"].address())
	return fmt.Sprintf("http://127.1.%d.%d:%s/%s/%s", n/250, n%250+1, port, m.endpoint, m.user)
}
