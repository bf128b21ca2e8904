package schema

import "slices"

// Outcome is what an event means to the person who reads about it. Channels
// choose colours, sounds and urgency by it.
type Outcome int

// How an event reads.
const (
	Neutral Outcome = iota // something began or changed; nobody has to act
	Good                   // it worked, or works again
	Bad                    // it failed, or stopped
)

// Type is one of the kinds of event that the platform emits.
type Type struct {
	Name    string  // as published, for example "stack.redeploy.ok"
	Meaning string  // as the product page words it
	Group   string  // "stack", "server", "job", "process" or "app": what the settings page groups by
	Outcome Outcome // how it reads
	Default bool    // whether a channel that is set up carries it until the user says otherwise
}

// Types lists the thirteen event types in the order of the product page.
func Types() []Type { return slices.Clone(types[:]) }

// TypeNamed finds a type by its published name.
func TypeNamed(name string) (Type, bool) {
	for _, t := range types {
		if t.Name == name {
			return t, true
		}
	}
	return Type{}, false
}

var types = [...]Type{
	{"stack.provision.ok", "Stack provisioned successfully", "stack", Good, true},
	{"stack.provision.fail", "Stack provision failed", "stack", Bad, true},
	{"stack.redeploy.ok", "Stack redeployed successfully", "stack", Good, true},
	{"stack.redeploy.fail", "Stack redeploy failed", "stack", Bad, true},
	{"server.stopped", "Server heartbeat stopped", "server", Bad, true},
	{"server.backon", "Server heartbeat restored", "server", Good, true},
	{"job.fail", "Job run failed", "job", Bad, true},
	{"job.backon", "Job run succeeded (after fail)", "job", Good, true},
	{"process.down", "Process is down", "process", Bad, true},
	{"app.auth", "App authorized to access the account", "app", Neutral, true},
	{"app.deauth", "App deauthorized from accessing the account", "app", Neutral, true},
	{"stack.redeploy.hook.fail", "Stack redeployment hook failed", "stack", Bad, true},
	{"stack.deploy.started", "Stack deployment started", "stack", Neutral, false},
}
