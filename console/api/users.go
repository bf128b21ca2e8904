package api

import (
	"context"
	"net/http"
	"strings"

	"tocsin/prefs"
)

// person is a user as the platform saves one.
type person struct {
	Email    string `json:"email,omitempty" maxLength:"254" example:"ada@example.com" doc:"Where mails go until the user gives another address. The first one sets email up."`
	Name     string `json:"name,omitempty" maxLength:"200" example:"Ada" doc:"What mails call them."`
	TimeZone string `json:"time_zone,omitempty" maxLength:"64" example:"Europe/London" doc:"Name of the IANA database; times are told in it. Default: UTC."`
	Locale   string `json:"locale,omitempty" maxLength:"64" example:"en-GB" doc:"BCP 47."`
}

type personAnswer struct {
	ETag string `header:"ETag"`
	Body person
}

func answerPerson(p prefs.Profile) *personAnswer {
	return &personAnswer{ETag: tag(p.Revision()), Body: person(p)}
}

func (a *API) registerUsers() {
	const path, topic = "/v1/users/{user}", "Users"
	type put struct {
		UserPath
		Precondition
		Body person
	}
	register(a, operation{
		id: "put-user", method: http.MethodPut, path: path, tag: topic,
		summary: "Save a person", more: "Makes a user, or replaces all that is known of who they are.",
		errors: []int{http.StatusPreconditionFailed},
	}, func(ctx context.Context, in *put) (*personAnswer, error) {
		profile := prefs.Profile(in.Body)
		if err := checkPerson(profile); err != nil {
			return nil, err
		}
		return answerPerson(profile), a.Store.ReplaceUser(ctx, in.User, profile, in.seen())
	})
	register(a, operation{
		id: "get-user", method: http.MethodGet, path: path, tag: topic, summary: "Read a person",
	}, func(ctx context.Context, in *UserPath) (*personAnswer, error) {
		profile, err := a.Store.User(ctx, in.User)
		return answerPerson(profile), err
	})
	register(a, operation{
		id: "delete-user", method: http.MethodDelete, path: path, tag: topic, summary: "Forget a person",
		more: "Forgets who they are, their channels, their choices and their membership of accounts. To forget one who is not known is no error.",
	}, func(ctx context.Context, in *UserPath) (*none, error) {
		return &none{}, a.Store.DeleteUser(ctx, in.User)
	})
}

// checkPerson says which field is wrong: each fault of a profile begins with the
// field's name.
func checkPerson(p prefs.Profile) error {
	err := p.Check()
	if err == nil {
		return nil
	}
	var faults []error
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		faults = joined.Unwrap()
	}
	problem := problemOf(http.StatusUnprocessableEntity, "the request is understood, and cannot be as it is")
	for _, f := range faults {
		field, why, _ := strings.Cut(f.Error(), " ")
		problem.Errors = append(problem.Errors, fault("body."+field, why))
	}
	return problem
}
