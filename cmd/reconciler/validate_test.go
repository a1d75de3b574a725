package main

import "testing"

func TestSecretLine(t *testing.T) {
	for in, want := range map[string]string{
		`password = hunter2`:                  `password = …`,
		`passwrd: "hunter2"`:                  `passwrd: …`,
		`auth = { password = "hunter2" }`:     `auth = …`,
		`"password" = "hunter2"`:              `"password" = …`,
		`{ username = "u", password = "x" }`:  `{ username = "u", password = …`,
		`image = "r.example/authentic:1"`:     `image = "r.example/authentic:1"`,
		`path = "/pass"`:                      `path = "/pass"`,
		`auth_soft_fail = "sometimes"`:        `auth_soft_fail = "sometimes"`,
		`command = "run --password=hunter2x"`: `command = "run --password= …`,
	} {
		got := secretLine.ReplaceAllString(in, "$1 …")
		if got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}
