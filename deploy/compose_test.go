package deploy

import (
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/nats-io/nats-server/v2/conf"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"

	"tocsin/servertest"
)

// newEnv is what new-env.sh makes.
func newEnv(t *testing.T) map[string]string {
	t.Helper()
	made, err := exec.CommandContext(t.Context(), "./new-env.sh").Output()
	require.NoError(t, err)
	env := make(map[string]string)
	for line := range strings.Lines(string(made)) {
		name, value, found := strings.Cut(strings.TrimSpace(line), "=")
		require.True(t, found, line)
		require.Greater(t, len(value), 40, name)
		env[name] = value
	}
	return env
}

func loadCompose(t *testing.T, env map[string]string) (*types.Project, error) {
	t.Helper()
	folder, err := os.Getwd()
	require.NoError(t, err)
	root := strings.TrimSuffix(folder, "/deploy")
	return loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir:  root,
		ConfigFiles: []types.ConfigFile{{Filename: root + "/docker-compose.yml"}},
		Environment: env,
	}, func(o *loader.Options) {
		o.SetProjectName("tocsin", true)
		o.Profiles = []string{"*"}
	})
}

func composed(t *testing.T) *types.Project {
	t.Helper()
	project, err := loadCompose(t, newEnv(t))
	require.NoError(t, err)
	return project
}

func TestComposeNeedsEveryPassword(t *testing.T) {
	t.Parallel()
	env := newEnv(t)
	for name := range env {
		switch name {
		case "TOCSIN_API_KEYS", "TOCSIN_OPS_KEYS", "TOCSIN_GRAFANA_PASSWORD":
			continue // without: the API refuses everything, the console is closed, Grafana asks for one
		}
		incomplete := maps.Clone(env)
		delete(incomplete, name)
		_, err := loadCompose(t, incomplete)
		require.ErrorContains(t, err, name)
	}
}

func TestComposeHasEveryServiceOnTheLoopbackAlone(t *testing.T) {
	t.Parallel()
	project := composed(t)
	profiles := make(map[string]string)
	for name, s := range project.Services {
		profiles[name] = strings.Join(s.Profiles, ",")
		for _, port := range s.Ports {
			require.Equal(t, "127.0.0.1", port.HostIP, "%s publishes port %s", name, port.Published)
		}
		for _, v := range s.Volumes {
			if v.Type == types.VolumeTypeBind {
				require.DirExists(t, v.Source, "%s mounts it", name)
				require.True(t, v.ReadOnly, "%s mounts %s", name, v.Source)
			} else {
				require.Contains(t, project.Volumes, v.Source)
			}
		}
		requireKnown(t, name, slices.DeleteFunc(slices.Collect(maps.Keys(s.Environment)), func(variable string) bool {
			return strings.HasSuffix(variable, "_PASSWORD") // of the servers' own
		}))
	}
	require.Equal(t, map[string]string{
		"nats": "", "redis": "", "setup": "", "worker": "", "web": "",
		"tocsin": "cli", "mail": "mail", "prometheus": "metrics", "grafana": "metrics",
	}, profiles)
}

func TestComposeKeepsWhatIsStored(t *testing.T) {
	t.Parallel()
	project := composed(t)
	nats, redis := project.Services["nats"], project.Services["redis"]
	servertest.SetPasswords(t)
	config, err := server.ProcessConfigFile("nats/server.conf")
	require.NoError(t, err)
	require.Equal(t, "/data", config.StoreDir)
	require.True(t, config.JetStream)
	require.Equal(t, time.Second, config.SyncInterval, "chosen on purpose")
	require.Len(t, config.Users, 4)
	require.Contains(t, targets(nats), config.StoreDir)
	require.Contains(t, targets(redis), "/data")
	options := strings.Join(redis.Command, " ")
	for _, option := range []string{"--appendonly yes", "--appendfsync everysec", "--maxmemory-policy noeviction"} {
		require.Contains(t, options, option)
	}
}

func targets(s types.ServiceConfig) []string {
	var all []string
	for _, v := range s.Volumes {
		if v.Type == types.VolumeTypeVolume {
			all = append(all, v.Target)
		}
	}
	return all
}

func TestComposeGivesEachServiceItsOwnUser(t *testing.T) {
	t.Parallel()
	project := composed(t)
	for name, user := range map[string]string{"worker": "worker", "web": "web", "tocsin": "operator", "setup": "operator"} {
		env := project.Services[name].Environment
		require.Contains(t, *env["TOCSIN_NATS_URL"], "nats://"+user+":p", name)
		require.Equal(t, "_INBOX_"+user, *env["TOCSIN_NATS_INBOX"], name)
		if name != "setup" {
			require.Contains(t, *env["TOCSIN_REDIS_URL"], "redis://"+user+":p", name)
		}
	}
	for _, name := range []string{"worker", "web"} {
		s := project.Services[name]
		require.Equal(t, types.ServiceConditionCompletedSuccessfully, s.DependsOn["setup"].Condition, name)
		require.Equal(t, types.ServiceConditionHealthy, s.DependsOn["redis"].Condition, name)
		require.True(t, s.ReadOnly, name)
	}
	drain := 30*time.Second + 5*time.Second // TOCSIN_DRAIN_TIMEOUT, and a last word
	require.Greater(t, time.Duration(*project.Services["worker"].StopGracePeriod), drain)
}

// Variables are read as values of the configuration: what begins with a digit
// could be a number.
func TestNewPasswordsAreReadAsTheyAre(t *testing.T) {
	t.Parallel()
	for name, value := range newEnv(t) {
		if strings.HasSuffix(name, "_PASSWORD") {
			require.Regexp(t, "^p[0-9a-f]{48}$", value, "%s: it is a part of URLs", name)
			read, err := conf.Parse("password=" + value)
			require.NoError(t, err)
			require.Equal(t, value, read["password"])
		}
	}
}
