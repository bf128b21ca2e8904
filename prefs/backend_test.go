package prefs_test

import (
	"context"
	"encoding/base64"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"tocsin/prefs"
	"tocsin/servertest"
)

// backends are the kinds of Redis that the store runs on. A real server in
// cluster mode refuses a script or transaction over keys of different slots.
func backends() map[string]func(testing.TB) string {
	return map[string]func(testing.TB) string{
		"redis":     servertest.Redis,
		"cluster":   clusterOfOne,
		"miniredis": func(t testing.TB) string { return "redis://" + miniredis.RunT(t).Addr() },
	}
}

func clusterOfOne(t testing.TB) string {
	server := servertest.StartRedis(t, "--cluster-enabled", "yes")
	admin := open(t, server.URL())
	require.NoError(t, admin.Do(t.Context(), "CLUSTER", "ADDSLOTSRANGE", 0, 16383).Err())
	require.Eventually(t, func() bool {
		info, err := admin.ClusterInfo(t.Context()).Result()
		return err == nil && strings.Contains(info, "cluster_state:ok")
	}, 30*time.Second, 10*time.Millisecond)
	return "redis-cluster" + strings.TrimPrefix(strings.TrimSuffix(server.URL(), "/0"), "redis")
}

// TestStore runs every specification of the store on every backend, each on an
// empty database.
func TestStore(t *testing.T) {
	t.Parallel()
	specifications := map[string]func(*testing.T, fixture){
		"claim":                             testClaim,
		"claim where scripts are forgotten": testClaimWhereScriptsAreForgotten,
		"progress of a fan-out":             testProgressOfAFanOut,
		"claims expire":                     testClaimsExpire,
		"one of many duplicates is routed":  testOneOfManyDuplicatesIsRouted,
		"outages":                           testOutages,
		"outages are of one resource of one account":  testOutagesAreOfOneResourceOfOneAccount,
		"outages are forgotten":                       testOutagesAreForgotten,
		"outages in any order":                        testOutagesInAnyOrder,
		"load directory":                              testLoadDirectory,
		"accounts of a directory name known users":    testAccountsOfADirectoryNameKnownUsers,
		"recipients":                                  testRecipients,
		"recipients of an event for one user":         testRecipientsOfAnEventForOneUser,
		"a broken record stops nobody else":           testABrokenRecordStopsNobodyElse,
		"ten thousand members stream":                 testTenThousandMembersStream,
		"recipients can be left early":                testRecipientsCanBeLeftEarly,
		"recipients end with the first error":         testRecipientsEndWithTheFirstError,
		"resolve":                                     testResolve,
		"resolve shares round trips":                  testResolveSharesRoundTrips,
		"resolve says why a delivery is not made":     testResolveSaysWhyADeliveryIsNotMade,
		"resolve waits for a missing key":             testResolveWaitsForAMissingKey,
		"resolve of a damaged record decides nothing": testResolveOfADamagedRecordDecidesNothing,
		"users":                           testUsers,
		"the first address sets up email": testTheFirstAddressSetsUpEmail,
		"members":                         testMembers,
		"delete user forgets everything":  testDeleteUserForgetsEverything,
		"a deleted user is not brought back in parts": testADeletedUserIsNotBroughtBackInParts,
		"ids are checked":                 testIDsAreChecked,
		"choices":                         testChoices,
		"concurrent toggles lose nothing": testConcurrentTogglesLoseNothing,
		"targets":                         testTargets,
		"targets of another key are listed as sealed": testTargetsOfAnotherKeyAreListedAsSealed,
		"a user has bounded targets":                  testAUserHasBoundedTargets,
		"concurrent edits lose nothing":               testConcurrentEditsLoseNothing,
		"switch off":                                  testSwitchOff,
		"a link is spent once":                        testALinkIsSpentOnce,
		"a link stays spent where clocks differ":      testALinkStaysSpentWhereClocksDiffer,
		"accounts":                                    testAccounts,
		"a choice keeps its time":                     testAChoiceKeepsItsTime,
		"choices without a time are read":             testChoicesWithoutATimeAreRead,
		"reset forgets every choice":                  testResetForgetsEveryChoice,
		"choices change as they were seen":            testChoicesChangeAsTheyWereSeen,
		"a profile changes as it was seen":            testAProfileChangesAsItWasSeen,
		"one of many writers changes what all saw":    testOneOfManyWritersChangesWhatAllSaw,
		"a target is set up once":                     testATargetIsSetUpOnce,
		"pending settings wait for their proof":       testPendingSettingsWaitForTheirProof,
		"pending settings expire":                     testPendingSettingsExpire,
		"pending settings open nowhere else":          testPendingSettingsOpenNowhereElse,
		"a quota is the whole installation's":         testAQuotaIsTheWholeInstallations,
		"an attempt sees how its target fares":        testAnAttemptSeesHowItsTargetFares,
		"of two who note how a target fares one does": testOfTwoWhoNoteHowATargetFaresOneDoes,
		"how a target fared is forgotten with it":     testHowATargetFaredIsForgottenWithIt,
		"the owner sees how a target fares":           testTheOwnerSeesHowATargetFares,
		"a backup holds everything":                   testABackupHoldsEverything,
		"restore replaces nobody unasked":             testRestoreReplacesNobodyUnasked,
		"restore forgets how targets fared":           testRestoreForgetsHowTargetsFared,
		"restore goes on where it was":                testRestoreGoesOnWhereItWas,
		"restore counts targets that it cannot open":  testRestoreCountsTargetsThatItCannotOpen,
		"restore refuses what is no whole backup":     testRestoreRefusesWhatIsNoWholeBackup,
		"reseal":                                testReseal,
		"reseal leaves what is saved meanwhile": testResealLeavesWhatIsSavedMeanwhile,
		"an edit meets reseal":                  testAnEditMeetsReseal,
		"reseal goes on where it was":           testResealGoesOnWhereItWas,
		"reseal leaves what no key opens":       testResealLeavesWhatNoKeyOpens,
		"reseal of many users":                  testResealOfManyUsers,
	}
	for name, start := range backends() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := start(t)
			for name, specification := range specifications {
				t.Run(name, func(t *testing.T) {
					f := newFixture(t, url)
					require.NoError(t, f.redis.FlushAll(t.Context()).Err())
					f.trips.reset()
					specification(t, f)
				})
			}
		})
	}
}

// fixture is a store and the client below it.
type fixture struct {
	*prefs.Store
	redis redis.UniversalClient
	trips *roundTrips
	url   string
}

func newFixture(t testing.TB, url string) fixture {
	client := open(t, url)
	trips := &roundTrips{}
	client.AddHook(trips)
	return fixture{Store: prefs.NewStore(client, keys(t, 'a')), redis: client, trips: trips, url: url}
}

func open(t testing.TB, url string) redis.UniversalClient {
	client, err := prefs.Open(url)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	return client
}

// keys makes a keyring of keys that consist of one repeated byte each.
func keys(t testing.TB, fills ...byte) prefs.Keyring {
	var texts []string
	for _, fill := range fills {
		key := strings.Repeat(string(fill), 32)
		texts = append(texts, base64.StdEncoding.EncodeToString([]byte(key)))
	}
	ring, err := prefs.ParseKeys(strings.Join(texts, ","))
	require.NoError(t, err)
	return ring
}

// person adds a user with an e-mail address and the accounts they belong to.
func (f fixture) person(t testing.TB, user string, accounts ...string) {
	require.NoError(t, f.PutUser(t.Context(), user, prefs.Profile{Email: user + "@example.com"}))
	for _, account := range accounts {
		require.NoError(t, f.AddMember(t.Context(), account, user))
	}
}

func (f fixture) members(t testing.TB, account string) []string {
	var users []string
	for user, err := range f.Members(t.Context(), account) {
		require.NoError(t, err)
		users = append(users, user)
	}
	return users
}

func (f fixture) recipients(t testing.TB, account string) []prefs.Recipient {
	var all []prefs.Recipient
	for chunk, err := range f.Recipients(t.Context(), account, "") {
		require.NoError(t, err)
		all = append(all, chunk...)
	}
	return all
}

// roundTrips counts what a client sends at a time.
type roundTrips struct {
	mu        sync.Mutex
	commands  []string // sent alone
	pipelines []int    // commands in each
}

func (r *roundTrips) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.commands, r.pipelines = nil, nil
}

func (r *roundTrips) sent() (commands []string, pipelines []int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.commands, r.pipelines
}

func (r *roundTrips) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (r *roundTrips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() != "hello" { // go-redis greets on each new connection
			r.mu.Lock()
			r.commands = append(r.commands, cmd.Name())
			r.mu.Unlock()
		}
		return next(ctx, cmd)
	}
}

func (r *roundTrips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		r.mu.Lock()
		switch {
		case cmds[0].Name() == "client": // go-redis introduces itself on each new connection
		case len(cmds) == 1:
			r.commands = append(r.commands, cmds[0].Name())
		default:
			r.pipelines = append(r.pipelines, len(cmds))
		}
		r.mu.Unlock()
		return next(ctx, cmds)
	}
}
