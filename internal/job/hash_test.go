package job

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// plainJob uses what the language had when containers were first labelled.
func plainJob() *Job {
	return &Job{
		Name: "shop", Type: TypeService, Meta: map[string]string{"owner": "me"},
		Groups: []Group{{
			Name: "front", Count: 2, Update: Update{MaxParallel: 1, MinHealthyTime: Duration(10 * time.Second)},
			Ports: []Port{{Label: "http", Static: 80, To: 8080}},
			Tasks: []Task{{
				Name: "web", Driver: DriverDocker, User: "1000", Env: map[string]string{"LEVEL": "1"},
				Config: Config{
					Image: "redis:7", Command: "serve", Args: []string{"-a", "${NOMAD_PORT_http}"}, TTY: true,
					Labels: map[string]string{"a": "b"}, NetworkMode: "bridge", Volumes: []string{"/a:/b:ro"},
					Logging: &Logging{Type: "journald", Config: map[string]string{"tag": "x"}},
				},
				Resources:   Resources{CPU: 100, MemoryMB: 64, Ports: []Port{{Label: "admin"}}},
				KillTimeout: Duration(5 * time.Second), KillSignal: "SIGINT",
			}},
		}},
	}
}

// Containers carry these hashes: a field that the language learns must change
// none of them, or every container of every host is replaced by an upgrade.
func TestNewFieldsChangeNoHash(t *testing.T) {
	j := plainJob()
	if got, want := SpecHash(j, &j.Groups[0]), "v1:53b87df887a5313610d7b4a2d6e01ba3"; got != want {
		t.Errorf("SpecHash = %s, want %s", got, want)
	}
	if got, want := Hash(j), "v1:02ef637a41a2091b92b94d1c7e81c441"; got != want {
		t.Errorf("Hash = %s, want %s", got, want)
	}
}

// A container is made from every option of its config, so each must change its
// SpecHash, but for those that say how its image is brought.
func TestEveryOptionIsInTheSpecHash(t *testing.T) {
	in := map[string]bool{"force_pull": false, "auth": false, "auth_soft_fail": false, "image_pull_timeout": false, "advertise_ipv6_address": false}
	typ := reflect.TypeFor[Config]()
	for i := range typ.NumField() {
		j := plainJob()
		f := reflect.ValueOf(&j.Groups[0].Tasks[0].Config).Elem().Field(i)
		set(f)
		name, tags, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
		if name != "image" && tags != "omitempty" && tags != "omitzero" {
			t.Errorf("%s is written at its default: it needs omitempty", name)
		}
		want, listed := in[name]
		changed := SpecHash(j, &j.Groups[0]) != SpecHash(plainJob(), &plainJob().Groups[0])
		if changed != (want || !listed) {
			t.Errorf("%s: changes the hash: %v", name, changed)
		}
	}
}

// set gives a field a value that none has by itself.
func set(f reflect.Value) {
	switch f.Kind() {
	case reflect.String:
		f.SetString("other")
	case reflect.Bool:
		f.SetBool(!f.Bool())
	case reflect.Int, reflect.Int64:
		f.SetInt(f.Int() + 77)
	case reflect.Slice:
		f.Set(reflect.MakeSlice(f.Type(), 1, 1))
		set(f.Index(0))
	case reflect.Map:
		f.Set(reflect.MakeMap(f.Type()))
		v := reflect.New(f.Type().Elem()).Elem()
		set(v)
		f.SetMapIndex(reflect.ValueOf("k"), v)
	case reflect.Pointer:
		f.Set(reflect.New(f.Type().Elem()))
		set(f.Elem())
	case reflect.Struct:
		set(f.Field(0))
	}
}

func TestSpecHashOfTheTask(t *testing.T) {
	base := SpecHash(plainJob(), &plainJob().Groups[0])
	for name, tc := range map[string]struct {
		change func(t *Task)
		same   bool
	}{
		"memory_max":             {func(t *Task) { t.Resources.MemoryMaxMB = 128 }, false},
		"logs":                   {func(t *Task) { t.Logs.MaxFiles = 7 }, false},
		"kill_timeout":           {func(t *Task) { t.KillTimeout++ }, true},
		"network_mode, default":  {func(t *Task) { t.Config.NetworkMode = "" }, true},
		"cfs period, default":    {func(t *Task) { t.Config.CPUCFSPeriod = DefaultCFSPeriod }, true},
		"cfs period, of its own": {func(t *Task) { t.Config.CPUCFSPeriod = 50_000 }, false},
	} {
		j := plainJob()
		tc.change(&j.Groups[0].Tasks[0])
		if same := SpecHash(j, &j.Groups[0]) == base; same != tc.same {
			t.Errorf("%s: same hash: %v", name, same)
		}
	}
}
