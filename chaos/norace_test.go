//go:build !race

package chaos

// raceFlag builds the program as its tests are built.
const raceFlag = "-race=false"
