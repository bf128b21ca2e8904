//go:build race

package main

// raceFlag builds the program as its tests are built: nothing is compiled twice,
// and a race in a process of its own is found too.
const raceFlag = "-race"
