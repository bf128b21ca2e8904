package prefs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"

	"github.com/redis/go-redis/v9"
)

// Saved is all that is known of a user, as it is stored: who they are, what they
// chose, how they are reached, sealed as it is, and whose events they are told of.
// How their targets have fared is left out: an old failure must not switch off
// what has worked since.
type Saved struct {
	User     string            `json:"user"`
	Profile  string            `json:"profile"`
	Prefs    map[string]string `json:"prefs,omitempty"`
	Targets  map[string]string `json:"targets,omitempty"`
	Accounts []string          `json:"accounts,omitempty"`
}

// check refuses what no store can have written.
func (s Saved) check() error {
	faults := []error{checkID("user", s.User)}
	for name := range s.Targets {
		faults = append(faults, refOf(name).check())
	}
	for _, account := range s.Accounts {
		faults = append(faults, checkID("account", account))
	}
	if s.Profile == "" {
		faults = append(faults, errors.New("there is no profile"))
	}
	return errors.Join(faults...)
}

// keys are those of a user's record, the profile first.
func (s Saved) keys() []string {
	return []string{profileKey(s.User), prefsKey(s.User), targetsKey(s.User), accountsKey(s.User), healthKey(s.User)}
}

// savedAtATime is how many users one round trip reads or writes.
const savedAtATime = 200

// EachSaved calls do with all users, so many at a time, until it fails. Each user
// is read at one moment; one who is saved meanwhile may be missing, and one may
// come twice, as SCAN has it.
func (s *Store) EachSaved(ctx context.Context, do func([]Saved) error) error {
	var one sync.Mutex // masters are read side by side
	return s.eachKey(ctx, profileKey("*"), func(ctx context.Context, keys []string) error {
		users, err := s.readSaved(ctx, keys)
		if err != nil || len(users) == 0 {
			return err
		}
		one.Lock()
		defer one.Unlock()
		return do(users)
	})
}

// eachKey calls do with all keys of users that have a pattern, so many at a time,
// until it fails. It does so side by side for the masters of a cluster.
func (s *Store) eachKey(ctx context.Context, pattern string, do func(context.Context, []string) error) error {
	if cluster, ok := s.client.(*redis.ClusterClient); ok {
		return cluster.ForEachMaster(ctx, func(ctx context.Context, master *redis.Client) error {
			return eachKeyOn(ctx, master, pattern, do)
		})
	}
	return eachKeyOn(ctx, s.client, pattern, do)
}

func eachKeyOn(ctx context.Context, server redis.Cmdable, pattern string, do func(context.Context, []string) error) error {
	var cursor uint64
	for {
		keys, next, err := server.Scan(ctx, cursor, pattern, 4*savedAtATime).Result()
		if err != nil {
			return fmt.Errorf("look for users: %w", err)
		}
		if len(keys) > 0 {
			err = do(ctx, keys)
		}
		if err != nil {
			return err
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

// readSaved reads the users of profiles. One who is deleted meanwhile is left out.
func (s *Store) readSaved(ctx context.Context, profiles []string) ([]Saved, error) {
	replies := make([]*redis.Cmd, len(profiles))
	users := make([]Saved, len(profiles))
	err := pipelined(ctx, s.client, func(p redis.Pipeliner) {
		for i, key := range profiles {
			users[i].User, _ = splitUserKey(key)
			replies[i] = readUser.Eval(ctx, p, users[i].keys()[:4])
		}
	})
	if err != nil {
		return nil, fmt.Errorf("read users: %w", err)
	}
	var found []Saved
	for i, reply := range replies {
		parts, err := reply.Slice()
		switch {
		case absent(err):
			continue
		case err != nil:
			return nil, fmt.Errorf("read user %s: %w", users[i].User, err)
		}
		users[i].Profile, _ = parts[0].(string)
		users[i].Prefs, users[i].Targets, users[i].Accounts = pairs(parts[1]), pairs(parts[2]), texts(parts[3])
		found = append(found, users[i])
	}
	return found, nil
}

func texts(reply any) []string {
	items, _ := reply.([]any)
	var all []string
	for _, item := range items {
		text, _ := item.(string)
		all = append(all, text)
	}
	return all
}

func pairs(reply any) map[string]string {
	all := make(map[string]string)
	for items := texts(reply); len(items) >= 2; items = items[2:] {
		all[items[0]] = items[1]
	}
	return all
}

// Fate is what became of a user who was to be put back.
type Fate string

// Fates.
const (
	Written Fate = "written" // they were not there, or were replaced
	Same    Fate = "same"    // they are as they were saved
	Kept    Fate = "kept"    // they are there, and otherwise
)

// PutBack says how EachSaved's users are put back.
type PutBack struct {
	Replace bool // those who are there, and otherwise
	Look    bool // only say what would become of them
}

// PutSaved puts users back and says what became of each. Called again after an
// error it goes on where it was.
func (s *Store) PutSaved(ctx context.Context, users []Saved, how PutBack) ([]Fate, error) {
	for _, u := range users {
		if err := u.check(); err != nil {
			return nil, fmt.Errorf("put back user %.80q: %w", u.User, err)
		}
	}
	replies := make([]*redis.StringSliceCmd, len(users))
	err := pipelined(ctx, s.client, func(p redis.Pipeliner) {
		for i, u := range users {
			answer := redis.NewStringSliceCmd(ctx, u.putArgs(how)...)
			answer.SetFirstKeyPos(3)
			replies[i] = answer
			_ = p.Process(ctx, answer)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("put users back: %w", err)
	}
	fates := make([]Fate, len(users))
	var before []([]string)
	for i, reply := range replies {
		said, err := reply.Result()
		if err != nil {
			return nil, fmt.Errorf("put back user %s: %w", users[i].User, err)
		}
		fates[i], before = Fate(said[0]), append(before, said[1:])
	}
	if how.Look {
		return fates, nil
	}
	return fates, s.putMembers(ctx, users, fates, before)
}

// putMembers makes accounts agree with their members' records. Records come
// first: they decide, see AddMember.
func (s *Store) putMembers(ctx context.Context, users []Saved, fates []Fate, before [][]string) error {
	_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, u := range users {
			if fates[i] == Kept {
				continue
			}
			left := make(map[string]bool)
			for _, account := range before[i] {
				left[account] = true
			}
			for _, account := range u.Accounts {
				delete(left, account)
				p.SAdd(ctx, membersKey(account), u.User)
			}
			for account := range maps.Keys(left) {
				p.SRem(ctx, membersKey(account), u.User)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("put back the members of accounts: %w", err)
	}
	return nil
}

func (s Saved) putArgs(how PutBack) []any {
	mode := "add"
	if how.Replace {
		mode = "replace"
	}
	if how.Look {
		mode += " look"
	}
	keys := s.keys()
	args := []any{"EVAL", putUserText, len(keys)}
	for _, key := range keys {
		args = append(args, key)
	}
	args = append(args, mode, s.Profile, len(s.Prefs), len(s.Targets))
	for _, fields := range []map[string]string{s.Prefs, s.Targets} {
		for field, value := range fields {
			args = append(args, field, value)
		}
	}
	for _, account := range s.Accounts {
		args = append(args, account)
	}
	return args
}

// readUser reads all that is known of a user.
// KEYS profile, prefs, targets, accounts.
var readUser = redis.NewScript(`
local profile = redis.call('GET', KEYS[1])
if not profile then return false end
return {profile, redis.call('HGETALL', KEYS[2]), redis.call('HGETALL', KEYS[3]), redis.call('SMEMBERS', KEYS[4])}
`)

// putUserText writes all that is known of a user, and answers with their fate and
// the accounts that they were a member of before.
// KEYS profile, prefs, targets, accounts, health; ARGV "add" or "replace", with
// " look" to write nothing, profile, number of fields in prefs, in targets, fields
// and values of both, accounts.
const putUserText = `
local replace, look = string.find(ARGV[1], 'replace', 1, true), string.find(ARGV[1], 'look', 1, true)
local from = 5
local function fields(n)
  local list = {}
  for i = from, from + 2 * n - 1 do list[#list + 1] = ARGV[i] end
  from = from + 2 * n
  return list
end
local prefs, targets, accounts = fields(tonumber(ARGV[3])), fields(tonumber(ARGV[4])), {}
for i = from, #ARGV do accounts[#accounts + 1] = ARGV[i] end

local function holds(key, list)
  if redis.call('HLEN', key) ~= #list / 2 then return false end
  for i = 1, #list, 2 do
    if redis.call('HGET', key, list[i]) ~= list[i + 1] then return false end
  end
  return true
end
local function belongs()
  if redis.call('SCARD', KEYS[4]) ~= #accounts then return false end
  for _, account in ipairs(accounts) do
    if redis.call('SISMEMBER', KEYS[4], account) == 0 then return false end
  end
  return true
end

local profile = redis.call('GET', KEYS[1])
if profile == ARGV[2] and holds(KEYS[2], prefs) and holds(KEYS[3], targets) and belongs() then return {'same'} end
if profile and not replace then return {'kept'} end
local answer = {'written'}
for _, account in ipairs(redis.call('SMEMBERS', KEYS[4])) do answer[#answer + 1] = account end
if look then return answer end
redis.call('DEL', unpack(KEYS))
redis.call('SET', KEYS[1], ARGV[2])
for i = 1, #prefs, 2 do redis.call('HSET', KEYS[2], prefs[i], prefs[i + 1]) end
for i = 1, #targets, 2 do redis.call('HSET', KEYS[3], targets[i], targets[i + 1]) end
for _, account in ipairs(accounts) do redis.call('SADD', KEYS[4], account) end
return answer
`
