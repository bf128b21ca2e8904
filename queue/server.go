package queue

import (
	"fmt"
	"net/url"
	"strings"
)

// atLeast compares a server's version such as "2.15.2" or "2.16.0-RC.1".
func atLeast(version string, minimum [3]int) bool {
	var have [3]int
	if _, err := fmt.Sscanf(version, "%d.%d.%d", &have[0], &have[1], &have[2]); err != nil {
		return false
	}
	for i := range have {
		if have[i] != minimum[i] {
			return have[i] > minimum[i]
		}
	}
	return true
}

// redactURL removes passwords and tokens from a list of server URLs.
func redactURL(list string) string {
	servers := strings.Split(list, ",")
	for i, server := range servers {
		if u, err := url.Parse(strings.TrimSpace(server)); err == nil {
			servers[i] = u.Redacted()
			if _, hasPassword := u.User.Password(); u.User != nil && !hasPassword {
				u.User = url.User("xxxxx") // a bare user part is a token
				servers[i] = u.String()
			}
		} else if at := strings.LastIndexByte(server, '@'); at >= 0 {
			servers[i] = "xxxxx" + server[at:]
		}
	}
	return strings.Join(servers, ",")
}
