package main

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"go.uber.org/zap"

	"tocsin/ledger"
	"tocsin/queue"
	"tocsin/schema"
)

type ledgerCmd struct {
	Ls    ledgerLsCmd    `cmd:"" default:"withargs" help:"Tell who was told of which event, by which channel, who was not, and why (default command)."`
	Audit ledgerAuditCmd `cmd:"" help:"Prove that nothing was lost: each planned delivery has ended, or waits."`
}

// ledgerRange chooses what is read of the ledger.
type ledgerRange struct {
	Account string `placeholder:"ID" help:"Of this account."`
	User    string `placeholder:"ID" help:"Of this user; '@nobody': events of accounts that had no members."`
	Since   moment `placeholder:"WHEN" default:"1d" help:"Since then (${default}): a moment in RFC 3339, a day as 2026-03-01, or how long ago as 90m, 36h or 7d."`
	Until   moment `placeholder:"WHEN" help:"Before then."`
}

func (r ledgerRange) query() (queue.LedgerQuery, error) {
	for flag, id := range map[string]string{"--account": r.Account, "--user": r.User} {
		if id != "" && !schema.ValidID(id) && (id != schema.Nobody || flag != "--user") {
			return queue.LedgerQuery{}, misuse{fmt.Errorf("%s: %q is no id: these are of letters, digits, _ and -, at most 64", flag, id)}
		}
	}
	return queue.LedgerQuery{Account: r.Account, User: r.User, Since: r.Since.Time, Until: r.Until.Time}, nil
}

// ledgerFilter chooses stories, and deliveries of them.
type ledgerFilter struct {
	Event   string `placeholder:"ID" help:"Of the event with this id."`
	Source  string `placeholder:"SOURCE" help:"Of events from this source."`
	Type    string `placeholder:"TYPE" complete:"type" help:"Of this event type."`
	Channel string `placeholder:"CHANNEL" complete:"channel" help:"By this channel."`
	Outcome string `placeholder:"OUTCOME" enum:",waiting,delivered,suppressed,dead,skipped" default:"" help:"With this outcome: waiting, delivered, suppressed (called off while it waited), dead, or skipped (never planned)."`
}

func (f ledgerFilter) validate() error {
	if _, known := schema.TypeNamed(f.Type); f.Type != "" && !known {
		return misuse{fmt.Errorf("--type: %w", unknownType(f.Type))}
	}
	return nil
}

func (f ledgerFilter) matches(r schema.Record) bool {
	return (f.Event == "" || f.Event == r.Event) &&
		(f.Source == "" || f.Source == r.Source) &&
		(f.Type == "" || f.Type == r.Type)
}

// narrow leaves of a story what is asked for.
func (f ledgerFilter) narrow(s ledger.Story) (ledger.Story, bool) {
	s.Deliveries = slices.DeleteFunc(s.Deliveries, func(d ledger.Delivery) bool {
		return f.Channel != "" && f.Channel != d.Channel || f.Outcome != "" && f.Outcome != string(d.State)
	})
	s.Skipped = slices.DeleteFunc(s.Skipped, func(k schema.Skipped) bool {
		return f.Channel != "" && f.Channel != k.Channel || f.Outcome != "" && f.Outcome != outcomeSkipped
	})
	return s, len(s.Deliveries)+len(s.Skipped) > 0 || f.Channel == "" && f.Outcome == ""
}

const outcomeSkipped = "skipped"

type ledgerLsCmd struct {
	NATS    natsFlags    `embed:"" group:"Dependencies"`
	Output  outputFlags  `embed:""`
	Range   ledgerRange  `embed:"" group:"Which"`
	Filter  ledgerFilter `embed:"" group:"Which"`
	Limit   int          `default:"100" placeholder:"N" help:"At most this many events and members, the newest (${default}); 0: all."`
	Records bool         `help:"Also every attempt and replay, one line each."`
}

// Help stands below the summary in --help.
func (c *ledgerLsCmd) Help() string {
	return `An event is found by its account and time: name the account, where you know it, for a quick answer.

Examples:
  tocsin ledger --account acme --user ada --since 7d
  tocsin ledger --account acme --event c1f3 --records
  tocsin ledger --outcome dead --channel webhook -o json
  tocsin ledger audit --since 7d`
}

// mostStories bounds the memory of a question: a story takes about 1 KiB.
const mostStories = 200_000

func (c *ledgerLsCmd) Run(ctx context.Context, std stdio) error {
	query, err := c.Range.query()
	if err == nil {
		err = c.Filter.validate()
	}
	if err != nil {
		return err
	}
	q, err := c.NATS.ready(ctx, zap.NewNop())
	if err != nil {
		return err
	}
	defer q.Close()
	all, err := ledger.Stories(c.matching(q.Ledger(ctx, query)))
	if err != nil {
		return err
	}
	stories := make([]ledger.Story, 0, len(all))
	for _, s := range all {
		if s, matches := c.Filter.narrow(s); matches {
			stories = append(stories, s)
		}
	}
	more := 0
	if c.Limit > 0 && len(stories) > c.Limit {
		more, stories = len(stories)-c.Limit, stories[:c.Limit]
	}
	if c.Output.json() {
		return writeJSON(std.out, stories)
	}
	return writeStories(std.out, stories, more, c.Records)
}

// matching passes on the records that are asked for.
func (c *ledgerLsCmd) matching(records iter.Seq2[schema.Record, error]) iter.Seq2[schema.Record, error] {
	return func(yield func(schema.Record, error) bool) {
		planned := 0
		for r, err := range records {
			if err != nil {
				yield(r, err)
				return
			}
			if !c.Filter.matches(r) {
				continue
			}
			if r.Kind == schema.RecordPlanned {
				planned++
			}
			if planned > mostStories {
				yield(r, fmt.Errorf("more than %d events and members match: narrow it by --account, --user, --type or --since", mostStories))
				return
			}
			if !yield(r, nil) {
				return
			}
		}
	}
}
