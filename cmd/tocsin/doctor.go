package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"tocsin/prefs"
)

// doctorCmd looks for what commonly goes wrong with an installation, a file for
// each part of it, and says what to do about each.
type doctorCmd struct {
	NATS   natsFlags   `embed:"" group:"Dependencies"`
	Prefs  prefsFlags  `embed:"" group:"Dependencies"`
	Output outputFlags `embed:""`
	offer  `group:"Channels"`
}

// finding is the result of one check.
type finding struct {
	Check  string `json:"check"`
	State  string `json:"state"` // "ok", "warning" or "wrong"
	Detail string `json:"detail"`
}

const (
	stateOK      = "ok"
	stateWarning = "warning"
	stateWrong   = "wrong"
)

// checkTime bounds the checks of one server.
const checkTime = 10 * time.Second

func (c *doctorCmd) Run(ctx context.Context, std stdio) error {
	findings := []finding{c.checkKeys()}
	findings = append(findings, c.checkNATS(ctx)...)
	findings = append(findings, c.checkRedis(ctx)...)
	findings = append(findings, c.checkLinks()...)
	findings = append(findings, c.checkChannels(ctx)...)
	if err := report(std.out, findings, c.Output.json()); err != nil {
		return err
	}
	wrong := 0
	for _, f := range findings {
		if f.State == stateWrong {
			wrong++
		}
	}
	if wrong > 0 {
		return fmt.Errorf("%s found", plural(wrong, "problem"))
	}
	return nil
}

func report(out io.Writer, findings []finding, asJSON bool) error {
	if asJSON {
		return writeJSON(out, findings)
	}
	for _, f := range findings {
		fmt.Fprintf(out, "%-8s %-20s %s\n", f.State, f.Check, f.Detail)
	}
	return nil
}

func (c *doctorCmd) checkKeys() finding {
	if _, err := prefs.ParseKeys(c.Prefs.SecretsKey); err != nil {
		return finding{"TOCSIN_SECRETS_KEY", stateWrong, err.Error()}
	}
	return finding{"TOCSIN_SECRETS_KEY", stateOK, "credentials are encrypted"}
}
