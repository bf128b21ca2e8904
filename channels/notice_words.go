package channels

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// longestName keeps what happened to the thing in sight behind its name.
const longestName = 80

func (d describer) title() string {
	if say, known := titles[d.event.Type]; known {
		return say(d)
	}
	what := clean(d.event.Type, longestName)
	if name := d.resource(); name != "" {
		return fmt.Sprintf("%s: %s", cmp.Or(what, "Event"), clean(name, longestName))
	}
	return cmp.Or(what, "Event")
}

var titles = map[string]func(describer) string{
	"stack.provision.ok":       titleOf("Provisioning of %s succeeded", "stack"),
	"stack.provision.fail":     titleOf("Provisioning of %s failed", "stack"),
	"stack.redeploy.ok":        titleOf("Redeploy of %s succeeded", "stack"),
	"stack.redeploy.fail":      titleOf("Redeploy of %s failed", "stack"),
	"stack.redeploy.hook.fail": titleOf("Redeployment hook of %s failed", "stack"),
	"stack.deploy.started":     titleOf("Deployment of %s started", "stack"),
	"server.stopped":           titleOf("Server %s stopped sending heartbeats", ""),
	"server.backon":            titleOf("Server %s is back", ""),
	"job.fail":                 titleOf("Job %s failed", ""),
	"job.backon":               titleOf("Job %s succeeded again", ""),
	"process.down":             titleOfProcess,
	"app.auth":                 titleOfApp("authorized"),
	"app.deauth":               titleOfApp("deauthorized"),
}

// titleOf leaves a nameless thing out of the pattern, or calls it by its kind.
func titleOf(pattern, kind string) func(describer) string {
	return func(d describer) string {
		name := clean(d.resource(), longestName)
		if name == "" && kind != "" {
			name = "a " + kind
		}
		return strings.ReplaceAll(fmt.Sprintf(pattern, name), "  ", " ")
	}
}

func titleOfProcess(d describer) string {
	title := titleOf("Process %s is down", "")(d)
	if server := d.server(); server != "" {
		title += " on " + clean(server, longestName)
	}
	return title
}

func titleOfApp(done string) func(describer) string {
	return func(d describer) string {
		title := titleOf("App %s was "+done, "")(d)
		if user := d.data.text("user"); user != "" {
			title += " by " + clean(user, longestName)
		}
		return title
	}
}

func (d describer) facts() []Fact {
	return append(d.named(), d.moments()...)
}

// named lists every field of the data that people get to see. It is a list of
// what is allowed: redeploy_hook, ssh_private_key, server_registration_script,
// git and params may hold credentials.
func (d describer) named() []Fact {
	var facts []Fact
	add := func(label, value string) {
		if value != "" {
			facts = append(facts, Fact{Label: label, Value: value})
		}
	}
	add("Stack", d.stack())
	add("Environment", d.data.text("environment"))
	add("Branch", d.data.text("git_branch"))
	if d.group == "process" {
		add("Server", d.server())
	}
	add("Schedule", d.data.text("cron"))
	add("Region", d.data.text("region"))
	add("Status", d.status())
	add("Health", codeText(healthTexts, cmp.Or(d.data.text("health"), d.data.text("health_state"))))
	add("Triggered by", d.data.child("deploy_context").text("triggered_by"))
	return facts
}

func (d describer) moments() []Fact {
	var facts []Fact
	add := func(label string, t time.Time) {
		if !t.IsZero() {
			facts = append(facts, Fact{Label: label, Value: t.UTC().Format(timeLayout), Time: t})
		}
	}
	deploy := d.data.child("deploy_context")
	finished := deploy.moment("finished_at")
	add("Started", deploy.moment("started_at"))
	add("Finished", finished)
	if finished.IsZero() {
		add("Time", d.event.Time)
	}
	return facts
}

// status leaves out the agent's, whose codes nobody has documented.
func (d describer) status() string {
	code := d.data.text("status")
	switch {
	case d.group == "stack" && d.data.text("framework") == buildOnly:
		return codeText(buildTexts, code)
	case d.group == "stack":
		return codeText(stackTexts, code)
	case d.group == "job":
		return codeText(jobTexts, code)
	}
	return ""
}

// buildOnly is the framework of stacks that are built and never deployed.
const buildOnly = "skycap"

// codeText leaves codes that we do not know, and texts, as they are.
func codeText(texts map[string]string, code string) string {
	return cmp.Or(texts[code], code)
}

// The codes are those of the Cloud 66 API: stack.go and job.go of its Go SDK.
var (
	stackTexts = map[string]string{
		"0": "Pending analysis", "1": "Deployed successfully", "2": "Deployment failed", "3": "Analyzing",
		"4": "Analyzed", "5": "Queued for deployment", "6": "Deploying", "7": "Unable to analyze",
	}
	buildTexts = map[string]string{
		"0": "Pending analysis", "1": "Built successfully", "2": "Build failed", "3": "Analyzing",
		"4": "Analyzed", "5": "Queued for build", "6": "Building", "7": "Unable to analyze",
	}
	healthTexts = map[string]string{
		"0": "Unknown", "1": "Building", "2": "Impaired", "3": "Healthy", "4": "Failed",
	}
	jobTexts = map[string]string{
		"0": "Updated", "1": "Started", "2": "Success", "3": "Failed",
	}
)
