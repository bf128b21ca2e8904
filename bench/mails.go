package bench

import "context"

// mails go to a mail server on the same machine, without TLS.
func mails() Scenario {
	people := accounts(10, 100, "email")
	return Scenario{
		Name:    "mails",
		About:   "one event is 100 mails, by SMTP to a local server; as fast as it goes",
		Targets: map[string]float64{"throughput": 1500},
		Prepare: func(ctx context.Context, s *Site) error {
			return s.begin(ctx, people,
				"--smtp-url", "smtp://"+s.at.SMTP+"?tls=none", "--smtp-from", "Tocsin <tocsin@example.com>")
		},
		Run: func(ctx context.Context, s *Site) (Figures, error) {
			f := Figures{}
			return f, s.burstOf(ctx, f, s.size(10_000, 50_000), people)
		},
	}
}
