package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"go.uber.org/zap"

	"tocsin/channels"
	"tocsin/channels/email"
	"tocsin/channels/hipchat"
	"tocsin/channels/ios"
	"tocsin/channels/slack"
	"tocsin/channels/webhook"
)

// specs is the registry of channels: one line each.
func specs() []channels.Spec {
	return []channels.Spec{
		email.Spec(),
		ios.Spec(),
		hipchat.Spec(),
		slack.Spec(),
		webhook.Spec(),
	}
}

// offer is what an installation offers its users, and the configuration of each
// channel as flags and variables.
type offer struct {
	Offer []string `name:"offer" env:"TOCSIN_CHANNELS" placeholder:"CHANNEL" complete:"channel" help:"Channels that this installation offers. Default: webhook, and each whose configuration is present."`
	kong.Plugins

	specs []channels.Spec
}

func newOffer() offer {
	o := offer{specs: specs()}
	for _, spec := range o.specs {
		o.Plugins = append(o.Plugins, spec.Config)
	}
	return o
}

// names lists the offered channels in the order of the registry.
func (o *offer) names() ([]string, error) {
	if err := o.known("TOCSIN_CHANNELS", o.Offer); err != nil {
		return nil, err
	}
	var names []string
	for _, spec := range o.specs {
		if slices.Contains(o.Offer, spec.Name) || len(o.Offer) == 0 && spec.Config.Present() {
			names = append(names, spec.Name)
		}
	}
	return names, nil
}

// every lists the channels that there are, offered or not.
func (o *offer) every() []string {
	var all []string
	for _, spec := range o.specs {
		all = append(all, spec.Name)
	}
	return all
}

// known says which of these names is not a channel.
func (o *offer) known(variable string, names []string) error {
	all := o.every()
	for _, name := range names {
		if !slices.Contains(all, name) {
			return misuse{fmt.Errorf("%s: there is no channel %q; there are %s", variable, name, strings.Join(all, ", "))}
		}
	}
	return nil
}

// opened is a channel that this process can deliver by.
type opened struct {
	spec    channels.Spec
	channel channels.Channel
}

// open opens the channels that are configured, of those that are wanted. A
// configuration that is wrong is an error that names its variable.
func (o *offer) open(wanted func(name string) bool, offered []string, log *zap.Logger) ([]opened, error) {
	var channels []opened
	for _, spec := range o.specs {
		if !wanted(spec.Name) {
			continue
		}
		if !spec.Config.Present() {
			if slices.Contains(offered, spec.Name) {
				log.Warn("offered, but not configured here: its deliveries wait for another worker", zap.String("channel", spec.Name))
			}
			continue
		}
		channel, err := spec.Config.Open()
		if err != nil {
			return nil, fmt.Errorf("open channel %s: %w", spec.Name, err)
		}
		channels = append(channels, opened{spec, channel})
	}
	return channels, nil
}
