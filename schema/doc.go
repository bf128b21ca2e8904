// Package schema is the contract between those who publish events, Tocsin and
// those who are told: what an event is, which types exist, on which subjects
// they travel, and what a delivery made from one carries.
//
// An event is a CloudEvent 1.0. A [Validator] turns a NATS message into an
// [Event], or into an [Invalid] that says in one line what is wrong. The rules
// are the JSON Schemas in the folder json: they are embedded, served by
// [Schemas], and what the Validator runs on, so that the published contract
// and the code cannot differ. asyncapi.yaml describes the subjects and refers
// to the same files.
//
// To add an event type, add it to the table in types.go, put a schema with an
// example beside the others, and list its messages in asyncapi.yaml; the tests
// hold the three together.
//
// The package imports nothing else of this module.
package schema
