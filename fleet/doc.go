// Package fleet knows the processes of an installation: who is there, what each
// does, and how it went over the last hour.
//
// Every process reports itself each few seconds. A report is what the process
// counts for Prometheus, read from the same registry, so that a fleet without
// Prometheus shows the same numbers as one with it. Reports are kept for an
// hour, and are all that a reader needs: Now is the fleet at this moment, and
// History how it went, for plots.
package fleet
