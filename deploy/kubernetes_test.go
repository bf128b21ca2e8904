package deploy

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"code.dny.dev/ssrf"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"tocsin/queue"
)

// manifest is as much of an object of Kubernetes as the tests look at.
type manifest struct {
	Kind       string
	Metadata   struct{ Name string }
	Data       map[string]string
	StringData map[string]string `yaml:"stringData"`
	Spec       struct {
		Selector struct {
			MatchLabels map[string]string `yaml:"matchLabels"`
		}
		PodSelector struct {
			MatchLabels map[string]string `yaml:"matchLabels"`
		} `yaml:"podSelector"`
		Template struct {
			Metadata struct{ Labels map[string]string }
			Spec     struct {
				Grace      int `yaml:"terminationGracePeriodSeconds"`
				Containers []container
			}
		}
		ScaleTargetRef struct{ Name string } `yaml:"scaleTargetRef"`
		Triggers       []struct{ Metadata map[string]string }
		Egress         []struct {
			To []struct {
				IPBlock *struct {
					CIDR   netip.Prefix
					Except []netip.Prefix
				} `yaml:"ipBlock"`
			}
		}
	}
}

type container struct {
	Args    []string
	Env     []struct{ Name, Value string }
	EnvFrom []struct {
		SecretRef struct{ Name string } `yaml:"secretRef"`
	} `yaml:"envFrom"`
}

// documents are those of the YAML files of a folder, as they are and by file.
func documents(t *testing.T, folder string) map[string][]yaml.Node {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	all := make(map[string][]yaml.Node)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for decoder := yaml.NewDecoder(bytes.NewReader(text)); ; {
			var document yaml.Node
			if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
				break
			} else {
				require.NoError(t, err, file)
			}
			all[filepath.Base(file)] = append(all[filepath.Base(file)], document)
		}
	}
	return all
}

func manifests(t *testing.T) map[string]manifest {
	t.Helper()
	all := make(map[string]manifest)
	for _, nodes := range documents(t, "kubernetes") {
		for _, node := range nodes {
			var m manifest
			require.NoError(t, node.Decode(&m))
			all[m.Kind+"/"+m.Metadata.Name] = m
		}
	}
	return all
}

// The schemas are Kubernetes' and KEDA's own, and refuse fields that are not
// known. The head of testdata/kubernetes.schema.json says where it comes from.
func TestManifestsAreValid(t *testing.T) {
	t.Parallel()
	compiler := jsonschema.NewCompiler()
	text, err := os.ReadFile("testdata/kubernetes.schema.json")
	require.NoError(t, err)
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err)
	require.NoError(t, compiler.AddResource("kubernetes.json", document))
	schema, err := compiler.Compile("kubernetes.json")
	require.NoError(t, err)
	check := func(node yaml.Node) error {
		var value any
		require.NoError(t, node.Decode(&value))
		text, err := json.Marshal(value)
		require.NoError(t, err)
		value, err = jsonschema.UnmarshalJSON(bytes.NewReader(text))
		require.NoError(t, err)
		return schema.Validate(value)
	}
	seen := 0
	for file, nodes := range documents(t, "kubernetes") {
		if file == "kustomization.yaml" {
			continue
		}
		for _, node := range nodes {
			require.NoError(t, check(node), file)
			seen++
		}
	}
	require.Greater(t, seen, 12)

	for _, wrong := range []string{
		`{apiVersion: v1, kind: Pigeon, metadata: {name: x}}`,
		`{apiVersion: v1, kind: Service, metadata: {name: x}, spec: {port: 80}}`,
		`{apiVersion: apps/v1, kind: Deployment, metadata: {name: x}, spec: {selector: {}}}`,
		`{apiVersion: keda.sh/v1alpha1, kind: ScaledObject, metadata: {name: x}, spec: {scaleTargetRef: {name: x}, triggers: [{kind: nats}]}}`,
	} {
		var node yaml.Node
		require.NoError(t, yaml.Unmarshal([]byte(wrong), &node))
		require.Error(t, check(node), wrong)
	}
}

func TestKustomizationNamesEveryManifest(t *testing.T) {
	t.Parallel()
	files := documents(t, "kubernetes")
	var kustomization struct{ Resources []string }
	require.NoError(t, files["kustomization.yaml"][0].Decode(&kustomization))
	for file := range files {
		if file != "kustomization.yaml" && file != "secrets.example.yaml" {
			require.Contains(t, kustomization.Resources, file)
		}
	}
}

func TestManifestsFitTogether(t *testing.T) {
	t.Parallel()
	all := manifests(t)
	var names []string
	for where, m := range all {
		for name := range m.Data {
			names = append(names, name)
		}
		for name := range m.StringData {
			names = append(names, name)
		}
		for _, c := range m.Spec.Template.Spec.Containers {
			for _, e := range c.Env {
				names = append(names, e.Name)
			}
			for _, from := range c.EnvFrom {
				if from.SecretRef.Name != "" {
					require.Contains(t, all, "Secret/"+from.SecretRef.Name, where)
				}
			}
		}
	}
	requireKnown(t, "kubernetes", names)
	for _, name := range []string{"tocsin-worker", "tocsin-web"} {
		deployment, budget := all["Deployment/"+name], all["PodDisruptionBudget/"+name]
		require.Equal(t, deployment.Spec.Template.Metadata.Labels, deployment.Spec.Selector.MatchLabels)
		require.Equal(t, deployment.Spec.Template.Metadata.Labels, budget.Spec.Selector.MatchLabels)
		require.Subset(t, deployment.Spec.Template.Metadata.Labels, all["NetworkPolicy/tocsin"].Spec.PodSelector.MatchLabels)
		require.Greater(t, deployment.Spec.Template.Spec.Grace, 30+5, "TOCSIN_DRAIN_TIMEOUT, and a last word")
	}
	require.Equal(t, []string{"setup", "--replicas=3"}, all["Job/tocsin-setup"].Spec.Template.Spec.Containers[0].Args)
}

func TestWorkersScaleByWhatWaits(t *testing.T) {
	t.Parallel()
	all := manifests(t)
	scaled := all["ScaledObject/tocsin-worker"]
	require.Contains(t, all, "Deployment/"+scaled.Spec.ScaleTargetRef.Name)
	var consumers []string
	for _, trigger := range scaled.Spec.Triggers {
		m := trigger.Metadata
		consumers = append(consumers, m["stream"]+"/"+m["consumer"])
		require.Equal(t, "$G", m["account"], "permissions.conf makes no account of its own")
		require.True(t, strings.HasSuffix(m["natsServerMonitoringEndpoint"], ":8222"), "the port of nats/server.conf")
		require.NotEmpty(t, m["lagThreshold"])
	}
	require.Equal(t, []string{
		queue.EventStream + "/router", queue.DeliveryStream + "/email", queue.DeliveryStream + "/webhook",
	}, consumers)
}

// What the network refuses is what the program refuses as well.
func TestWorkersReachNoPrivateRange(t *testing.T) {
	t.Parallel()
	far := manifests(t)["NetworkPolicy/tocsin-far-ends"]
	reaches := func(address netip.Addr) bool {
		for _, rule := range far.Spec.Egress {
			for _, to := range rule.To {
				within := func(p netip.Prefix) bool { return p.Contains(address) }
				if within(to.IPBlock.CIDR) && !slices.ContainsFunc(to.IPBlock.Except, within) {
					return true
				}
			}
		}
		return false
	}
	for _, public := range []string{"8.8.8.8", "93.184.216.34", "172.15.0.1", "172.32.0.1", "2606:2800:220:1::1"} {
		require.True(t, reaches(netip.MustParseAddr(public)), public)
	}
	for _, private := range []string{
		"10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "127.0.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
		"::1", "fe80::1", "fd00:ec2::254", "fc00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "255.255.255.255", "224.0.0.1",
	} {
		require.False(t, reaches(netip.MustParseAddr(private)), private)
	}
	for _, p := range slices.Concat(ssrf.IPv4DeniedPrefixes, ssrf.IPv6DeniedPrefixes) {
		require.False(t, reaches(p.Addr()), "the program refuses %s", p)
	}
}
