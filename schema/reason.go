package schema

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// reason says in one line what is wrong with a value that did not validate.
// The validator's own words would repeat the value. It walks objects in random
// order; of several faults the alphabetically first is told, so that equal
// messages fail for equal reasons.
func (v *Validator) reason(root string, err error) error {
	invalid, ok := errors.AsType[*jsonschema.ValidationError](err)
	if !ok {
		return fmt.Errorf("%s: cannot be validated", path(root, "event"))
	}
	var reasons []string
	for _, fault := range faults(invalid) {
		reasons = append(reasons, v.describe(root, fault))
	}
	return errors.New(slices.Min(reasons))
}

// faults are the leaves of the tree of errors; what lies above them only says
// which schema led there.
func faults(e *jsonschema.ValidationError) []*jsonschema.ValidationError {
	if len(e.Causes) == 0 {
		return []*jsonschema.ValidationError{e}
	}
	var leaves []*jsonschema.ValidationError
	for _, cause := range e.Causes {
		leaves = append(leaves, faults(cause)...)
	}
	return leaves
}

// describe names the field by a path of property names, all of which are the
// schemas' own, since no schema has rules for properties it does not name.
func (v *Validator) describe(root string, fault *jsonschema.ValidationError) string {
	field := path(root, fault.InstanceLocation...)
	switch rule := fault.ErrorKind.(type) {
	case *kind.Required:
		return path(field, rule.Missing[0]) + ": is missing"
	case *kind.Type:
		return fmt.Sprintf("%s: must be of type %s, is of type %s", field, strings.Join(rule.Want, " or "), rule.Got)
	case *kind.Const:
		return fmt.Sprintf("%s: must be %v", field, rule.Want)
	case *kind.MinLength:
		return fmt.Sprintf("%s: has %d of at least %d characters", field, rule.Got, rule.Want)
	case *kind.MaxLength:
		return fmt.Sprintf("%s: is longer than %d characters", field, rule.Want)
	case *kind.Format:
		return fmt.Sprintf("%s: must be a %s", field, rule.Want)
	case *kind.Pattern:
		return fmt.Sprintf("%s: must be %s", field, v.patternTitle(field))
	}
	return field + ": does not match its schema"
}

// patternTitle says what the pattern of an attribute stands for: the title of
// the attribute's schema, or of the one that it refers to.
func (v *Validator) patternTitle(attribute string) string {
	s, ok := v.envelope.Properties[attribute]
	if ok && s.Title == "" && s.Ref != nil {
		s = s.Ref
	}
	if !ok || s.Title == "" {
		return "of another form"
	}
	return s.Title
}

func path(root string, names ...string) string {
	return strings.TrimPrefix(strings.Join(append([]string{root}, names...), "."), ".")
}

// attributeLabel is how reasons name an attribute that the message itself
// names: as it is if it has the form that CloudEvents 1.0 recommends, at most
// 20 lower-case letters and digits, and otherwise not at all.
func attributeLabel(name string) string {
	foreign := func(c rune) bool { return (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' }
	if name == "" || len(name) > 20 || strings.ContainsFunc(name, foreign) {
		return "an attribute"
	}
	return name
}
