package links

import "time"

// OpsSession is the value of the cookie that an ops key is exchanged for. mark
// names the key.
func (l *Links) OpsSession(mark string, expires time.Time) string {
	return l.sign(opsPurpose, mark, "", expires)
}

// OpenOpsSession reads the mark in what OpsSession made.
func (l *Links) OpenOpsSession(token string) (mark string, err error) {
	claim, err := l.open(opsPurpose, token)
	return claim.User, err
}
