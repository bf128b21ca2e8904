package channels

import (
	"cmp"
	"fmt"
	"strings"

	"tocsin/schema"
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
	schema.ChannelOff:          titleOfChannel("was switched off"),
	schema.ChannelFailing:      titleOfChannel("keeps failing and will be switched off"),
	schema.ConfirmAddress:      func(describer) string { return "Confirm that notifications may come here" },
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

// titleOfChannel is about a channel of the reader's.
func titleOfChannel(what string) func(describer) string {
	return func(d describer) string {
		title := strings.TrimSpace(clean(d.data.text("channel"), longestName) + " " + what)
		if name := d.data.text("name"); name != "" {
			title += " for " + clean(name, longestName)
		}
		return title
	}
}
