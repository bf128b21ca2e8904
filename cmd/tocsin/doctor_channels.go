package main

import (
	"context"
	"net/url"
	"slices"

	"tocsin/channels"
)

// probe is what a channel is asked whose far end can be tried without telling
// anybody anything: whether it would take what this installation sends.
type probe interface {
	Probe(ctx context.Context) error
}

func (c *doctorCmd) checkChannels(ctx context.Context) []finding {
	offered, err := c.names()
	if err != nil {
		return []finding{{"TOCSIN_CHANNELS", stateWrong, err.Error()}}
	}
	var findings []finding
	for _, spec := range c.specs {
		f := finding{"channel " + spec.Name, stateOK, "not offered"}
		switch {
		case !slices.Contains(offered, spec.Name):
		case !spec.Config.Present():
			f.State, f.Detail = stateWarning, "offered, but not configured here: another worker has to deliver"
		default:
			f.State, f.Detail = tryChannel(ctx, spec)
		}
		findings = append(findings, f)
	}
	return findings
}

// tryChannel opens a channel and, where that can be done, tries its far end.
func tryChannel(ctx context.Context, spec channels.Spec) (state, detail string) {
	channel, err := spec.Config.Open()
	if err != nil {
		return stateWrong, err.Error()
	}
	far, ok := channel.(probe)
	if !ok {
		return stateOK, "offered, and its configuration is right"
	}
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	if err := far.Probe(ctx); err != nil {
		return stateWrong, err.Error()
	}
	return stateOK, "offered, its configuration is right, and its server takes what is sent"
}

// checkLinks looks at what links in mails and to settings pages are made of.
func (c *doctorCmd) checkLinks() []finding {
	const check = "links"
	mails := c.mails()
	address, err := url.Parse(mails.PublicURL)
	switch {
	case mails.PublicURL == "" && mails.LinkKey == "":
		return []finding{{check, stateWarning, "no TOCSIN_PUBLIC_URL and TOCSIN_LINK_KEY: mails have no link to stop them, and tocsin web does not start"}}
	case mails.PublicURL == "":
		return []finding{{check, stateWrong, "TOCSIN_LINK_KEY is set, and TOCSIN_PUBLIC_URL is not: set it to where users reach tocsin web"}}
	case mails.LinkKey == "":
		return []finding{{check, stateWrong, "TOCSIN_PUBLIC_URL is set, and TOCSIN_LINK_KEY is not: make one with openssl rand -base64 32"}}
	case err == nil && address.Scheme == "http" && address.Hostname() != "localhost" && address.Hostname() != "127.0.0.1":
		return []finding{{check, stateWarning, "TOCSIN_PUBLIC_URL is http: links to settings pages can be read on their way; use https"}}
	}
	return []finding{{check, stateOK, "TOCSIN_PUBLIC_URL and TOCSIN_LINK_KEY are set"}}
}
