package pages

import (
	"errors"
	"fmt"
	"strings"

	"tocsin/prefs"
	"tocsin/schema"
)

// state is what a cell is set to.
type state string

const (
	switchOn      state = "on"
	switchOff     state = "off"
	followDefault state = "default"
)

func stateOf(wanted bool) state {
	if wanted {
		return switchOn
	}
	return switchOff
}

// words say the state of a type's cell.
func (s state) words(kind schema.Type) string {
	if s == followDefault {
		return "back to the default, " + string(stateOf(kind.Default))
	}
	return string(s)
}

// choice is the state as the store takes it.
func (s state) choice() *bool {
	if s == followDefault {
		return nil
	}
	on := s == switchOn
	return &on
}

// change is one value of the form's "set": "job.fail/email=off".
type change struct {
	prefs.Cell
	to state
}

func (c change) String() string { return c.Type + "/" + c.Channel + "=" + string(c.to) }

// changes are what one button sets: "job.fail/email=off job.fail/ios=off".
type changes []change

func (all changes) String() string {
	texts := make([]string, len(all))
	for i, c := range all {
		texts[i] = c.String()
	}
	return strings.Join(texts, " ")
}

// readChanges reads the value of "set". A button of ours names each cell at
// most once.
func (p *Pages) readChanges(text string) (changes, error) {
	var all changes
	for value := range strings.FieldsSeq(text) {
		c, ok := parseChange(value)
		if _, known := schema.TypeNamed(c.Type); !ok || !known {
			return nil, errors.New("the form names an event that does not exist")
		}
		if !p.offers(c.Channel) {
			return nil, fmt.Errorf("the channel %.20q is not offered here", c.Channel)
		}
		if all.has(c.Cell) {
			return nil, errors.New("the form names a switch twice")
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, errors.New("the form names nothing to change")
	}
	return all, nil
}

func parseChange(value string) (change, bool) {
	place, to, ok := strings.Cut(value, "=")
	typeName, channel, both := strings.Cut(place, "/")
	c := change{prefs.Cell{Type: typeName, Channel: channel}, state(to)}
	return c, ok && both && (c.to == switchOn || c.to == switchOff || c.to == followDefault)
}

func (all changes) has(cell prefs.Cell) bool {
	for _, c := range all {
		if c.Cell == cell {
			return true
		}
	}
	return false
}

func (all changes) choices() map[prefs.Cell]*bool {
	set := make(map[prefs.Cell]*bool, len(all))
	for _, c := range all {
		set[c.Cell] = c.to.choice()
	}
	return set
}

// undone are the changes back to what the cells were, default or chosen.
func (all changes) undone(before []prefs.Choice) changes {
	var back changes
	for _, choice := range before {
		if !all.has(choice.Cell) {
			continue
		}
		to := followDefault
		if choice.Chosen {
			to = stateOf(choice.Wanted)
		}
		back = append(back, change{choice.Cell, to})
	}
	return back
}

// Each of these is what all changes share, or empty.
func (all changes) oneType() string {
	return shared(all, func(c change) string { return c.Type })
}

func (all changes) oneChannel() string {
	return shared(all, func(c change) string { return c.Channel })
}

func (all changes) oneState() state {
	return shared(all, func(c change) state { return c.to })
}

func shared[T ~string](all changes, of func(change) T) T {
	for _, c := range all {
		if of(c) != of(all[0]) {
			return ""
		}
	}
	return of(all[0])
}

// say confirms the changes in a sentence.
func (p *Pages) say(all changes) string {
	kind, _ := schema.TypeNamed(all.oneType())
	if len(all) == 1 {
		return fmt.Sprintf("%s: %s is %s.", kind.Meaning, p.label(all[0].Channel), all[0].to.words(kind))
	}
	what := "All events"
	if kind.Name != "" {
		what = kind.Meaning
	} else if channel := all.oneChannel(); channel != "" {
		what = p.label(channel) + " for all events"
	}
	switch to := all.oneState(); to {
	case "":
		return what + ": as before."
	case followDefault:
		return what + ": back to the defaults."
	default:
		return what + ": " + string(to) + "."
	}
}
