package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"go.uber.org/zap"

	"tocsin/schema"
)

type publishCmd struct {
	NATS   natsFlags   `embed:"" group:"Dependencies"`
	Output outputFlags `embed:""`

	Type    string `arg:"" complete:"type" help:"Event type, for example stack.redeploy.ok."`
	Account string `required:"" placeholder:"ID" help:"Account whose members are told."`
	Data    string `placeholder:"FILE" xor:"data" help:"The resource as JSON; - reads standard input. This or --sample is needed."`
	Sample  bool   `xor:"data" help:"Take the schema's example for this type as the resource."`

	User         string    `placeholder:"ID" help:"Tell only this member of the account."`
	ID           string    `placeholder:"ID" help:"Event id, unique within its source. Default: a new one."`
	Source       string    `default:"tocsin/publish" placeholder:"SOURCE" help:"Who the event comes from (${default})."`
	Subject      string    `placeholder:"TYPE/UID" help:"The resource, for example stack/5999b763."`
	Time         time.Time `format:"2006-01-02T15:04:05Z07:00" help:"When it happened (RFC 3339). Default: now."`
	ResourceName string    `name:"resourcename" placeholder:"NAME" help:"Name of the resource, for people."`
	StackName    string    `name:"stackname" placeholder:"NAME" help:"Name of its stack, for people."`
	Link         string    `placeholder:"URL" help:"Page of the platform that shows more."`
	TraceParent  string    `name:"traceparent" env:"TRACEPARENT" placeholder:"TRACE" help:"Trace that the event belongs to, as the W3C's Trace Context writes it."`
}

// Help stands below the summary in --help.
func (c *publishCmd) Help() string {
	return `Examples:
  tocsin publish stack.redeploy.ok --account acme --sample
  tocsin publish server.stopped --account acme --data server.json`
}

func (c *publishCmd) Run(ctx context.Context, std stdio) error {
	event, err := c.event(std.in)
	if err != nil {
		return err
	}
	q, err := c.NATS.reach(zap.NewNop())
	if err != nil {
		return err
	}
	defer q.Close()
	sequence, duplicate, err := q.PublishEvent(ctx, event)
	if err != nil {
		return err
	}
	if c.Output.json() {
		return writeJSON(std.out, map[string]any{
			"type": event.Type, "source": event.Source, "id": event.ID, "sequence": sequence, "duplicate": duplicate,
		})
	}
	if duplicate {
		fmt.Fprintf(std.out, "%s %s was published before; nobody is told again\n", event.Type, event.ID)
		return nil
	}
	fmt.Fprintf(std.out, "published %s as %s\n", event.Type, event.ID)
	return nil
}

// event builds the event and holds it against the schema, so that what would
// become a dead letter is refused here, with the reason.
func (c *publishCmd) event(stdin io.Reader) (schema.Event, error) {
	event, err := c.resource(stdin)
	if err != nil {
		return schema.Event{}, err
	}
	event.ID, event.Source, event.Type, event.Account = c.ID, c.Source, c.Type, c.Account
	if event.ID == "" {
		event.ID = newEventID()
	}
	event.Time = c.Time
	if event.Time.IsZero() {
		event.Time = time.Now()
	}
	event.User = c.User
	for value, field := range map[*string]*string{
		&c.Subject: &event.Subject, &c.ResourceName: &event.ResourceName,
		&c.StackName: &event.StackName, &c.Link: &event.Link, &c.TraceParent: &event.TraceParent,
	} {
		if *value != "" {
			*field = *value
		}
	}
	if c.TraceParent != "" && !schema.IsTraceParent(c.TraceParent) {
		return schema.Event{}, misuse{errors.New("--traceparent is not of the form 00-TRACE-SPAN-FLAGS, in lower-case hexadecimal")}
	}
	validator, err := schema.NewValidator()
	if err != nil {
		return schema.Event{}, fmt.Errorf("compile the event schemas: %w", err)
	}
	checked, err := validator.Parse(schema.Message{
		Subject: schema.EventSubject(event.Type), Header: event.Header(), Body: event.Data, Stored: event.Time,
	})
	if err != nil {
		return schema.Event{}, fmt.Errorf("not published: %w", err)
	}
	return checked, nil
}

func (c *publishCmd) resource(stdin io.Reader) (schema.Event, error) {
	if _, known := schema.TypeNamed(c.Type); !known {
		return schema.Event{}, misuse{unknownType(c.Type)}
	}
	if c.Sample {
		return schema.Sample(c.Type)
	}
	if c.Data == "" {
		return schema.Event{}, misuse{errors.New("what happened to what? Give the resource with --data, or take the schema's example with --sample")}
	}
	data, err := readInput(c.Data, stdin)
	if err != nil {
		return schema.Event{}, fmt.Errorf("read the resource: %w", err)
	}
	return schema.Event{Data: json.RawMessage(data)}, nil
}

func unknownType(name string) error {
	text := fmt.Sprintf("there is no event type %q; there are", name)
	for _, t := range schema.Types() {
		text += "\n  " + t.Name
	}
	return errors.New(text)
}

// readInput reads a file, or standard input for "-".
func readInput(path string, stdin io.Reader) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(stdin)
	}
	return os.ReadFile(path)
}
