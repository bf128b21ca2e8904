package worker

import (
	"context"

	"go.uber.org/zap"

	"tocsin/breaker"
	"tocsin/channels"
	"tocsin/prefs"
	"tocsin/schema"
)

// fares notes how targets fare, for the fleet and for their owners.
type fares interface {
	SwapFare(ctx context.Context, user string, ref prefs.TargetRef, before, after breaker.Record) (breaker.Record, bool, error)
}

// hosts does the same for hosts.
type hosts interface {
	Read(ctx context.Context, host string) (breaker.Record, error)
	Swap(ctx context.Context, host string, before, after breaker.Record) (breaker.Record, bool, error)
}

// index is told when an endpoint's phase changes, for people and figures.
type index interface {
	Note(ctx context.Context, kind, name string, phase breaker.Phase) error
}

// NewIsolation keeps apart endpoints of which this worker has at most so many
// attempts in hand each.
func NewIsolation(most int, f fares, h hosts) *Isolation {
	return &Isolation{
		Gate: breaker.NewGate(), Fares: f, Hosts: h,
		Targets: breaker.TargetPolicy(), HostsOf: breaker.HostPolicy(), Most: most,
	}
}

// Isolation keeps an endpoint that hangs or fails from holding up others. One is
// shared by all deliverers of a worker.
type Isolation struct {
	Gate    *breaker.Gate
	Fares   fares
	Hosts   hosts
	Index   index // nil: nobody looks
	Targets breaker.Policy
	HostsOf breaker.Policy // of hosts
	Most    int            // attempts in hand at one target, by this worker
}

// targetsOfHost is how many targets of a host may hang, each with all its seats,
// before the host has no room for others.
const targetsOfHost = 16

// visit asks a delivery's target and host for leave to make an attempt. Without
// it there are no visits, and held says why.
func (dl *Deliverer) visit(stop, ctx context.Context, d schema.Delivery, fares breaker.Record, at channels.Host) (visits []*breaker.Visit, held breaker.Held, err error) {
	if !dl.isolates() {
		return nil, breaker.Held{}, nil
	}
	err = patiently(stop, dl.Log, "ask whether an endpoint may be sent to", func() error {
		endpoints, err := dl.endpoints(ctx, d, fares, at)
		if err == nil {
			visits, held, err = dl.Isolation.Gate.Visit(ctx, dl.now().UTC(), endpoints...)
		}
		return err
	})
	return visits, held, err
}

func (dl *Deliverer) isolates() bool { return dl.Isolation != nil && dl.Spec.Host != nil }

// hostOf is where a target is reached, if the channel keeps targets apart.
func (dl *Deliverer) hostOf(r prefs.Resolution) channels.Host {
	if !dl.isolates() {
		return channels.Host{}
	}
	return dl.Spec.Host(r.Settings)
}

func (dl *Deliverer) endpoints(ctx context.Context, d schema.Delivery, fares breaker.Record, at channels.Host) ([]breaker.Endpoint, error) {
	i, user, ref := dl.Isolation, d.User, prefs.TargetRef{Channel: d.Channel, ID: d.Target}
	target := breaker.Endpoint{Name: user + "/" + ref.String(), Policy: i.Targets, Most: i.Most, Known: fares}
	target.Swap = func(ctx context.Context, before, after breaker.Record) (breaker.Record, bool, error) {
		now, swapped, err := i.Fares.SwapFare(ctx, user, ref, before, after)
		dl.note(ctx, ref.Channel, target.Name, before, now, swapped)
		return now, swapped, err
	}
	if at.Name == "" {
		return []breaker.Endpoint{target}, nil
	}
	known, err := i.Hosts.Read(ctx, at.Name)
	host := breaker.Endpoint{Name: at.Name, Policy: i.HostsOf, Most: dl.seatsOf(at), Known: known}
	host.Swap = func(ctx context.Context, before, after breaker.Record) (breaker.Record, bool, error) {
		now, swapped, err := i.Hosts.Swap(ctx, at.Name, before, after)
		dl.note(ctx, breaker.HostKind, at.Name, before, now, swapped)
		return now, swapped, err
	}
	return []breaker.Endpoint{target, host}, err
}

// note tells the index of a change that this worker has made. No delivery waits
// for the index to be right.
func (dl *Deliverer) note(ctx context.Context, kind, name string, before, now breaker.Record, swapped bool) {
	if !swapped || before.Phase == now.Phase || dl.Isolation.Index == nil {
		return
	}
	if err := dl.Isolation.Index.Note(ctx, kind, name, now.Phase); err != nil {
		dl.Log.Warn("the index of endpoints that do not work is out of date", zap.Error(err))
	}
}

// seatsOf leaves half of the channel's slots to other hosts, if there are any.
func (dl *Deliverer) seatsOf(at channels.Host) int {
	if at.Ours {
		return dl.Slots
	}
	return max(dl.Isolation.Most, min(dl.Isolation.Most*targetsOfHost, dl.Slots/2))
}
