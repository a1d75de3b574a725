package config

import (
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// topFields are the names at the top of the file.
var topFields = map[string]func(*decoder, entry){
	"name":         func(d *decoder, e entry) { d.text(e, &d.cfg.Name, checkName) },
	"datacenter":   func(d *decoder, e entry) { d.text(e, &d.cfg.Datacenter, checkName) },
	"region":       func(d *decoder, e entry) { d.text(e, &d.cfg.Region, checkName) },
	"manifest_dir": func(d *decoder, e entry) { d.text(e, &d.cfg.ManifestDir, checkDir) },
	"data_dir":     func(d *decoder, e entry) { d.text(e, &d.cfg.DataDir, checkDir) },
	"log_level":    func(d *decoder, e entry) { d.text(e, &d.cfg.LogLevel, checkLogLevel) },
	"log_format":   func(d *decoder, e entry) { d.text(e, &d.cfg.LogFormat, checkLogFormat) },
	"http":         func(d *decoder, e entry) { d.text(e, &d.cfg.HTTP, checkHTTP) },
	"delete_grace": func(d *decoder, e entry) { d.duration(e, &d.cfg.DeleteGrace) },
	"mass_deletion": func(d *decoder, e entry) {
		var s string
		d.text(e, &s, checkMassDeletion)
		d.cfg.AllowMassDeletion = s == "allow"
	},
}

// clientFields are the names in the client block.
var clientFields = map[string]func(*decoder, entry){
	"enabled":           (*decoder).enabled,
	"network_ip":        func(d *decoder, e entry) { d.text(e, &d.cfg.Client.NetworkIP, checkIP) },
	"network_interface": func(d *decoder, e entry) { d.text(e, &d.cfg.Client.NetworkInterface, checkInterface) },
	"min_dynamic_port":  func(d *decoder, e entry) { d.port(e, &d.cfg.Client.MinDynamicPort) },
	"max_dynamic_port":  func(d *decoder, e entry) { d.port(e, &d.cfg.Client.MaxDynamicPort) },
}

// clientMaps are the maps in the client block, as blocks or as attributes.
var clientMaps = map[string]func(*decoder, entry){
	"meta":    (*decoder).meta,
	"options": (*decoder).option,
}

func (d *decoder) body(body *hclsyntax.Body) {
	known := append(slices.Sorted(maps.Keys(topFields)), "client")
	for _, e := range attributes(body, "") {
		set, ok := topFields[e.name]
		switch {
		case ok:
			set(d, e)
			d.at[e.path] = e.rng
		case e.name == "client":
			d.fail(e.rng, "Wrong type", "client is a block: write client { … }.")
		default:
			d.unknown(e.rng, "argument", e.name, known)
		}
	}
	for _, b := range body.Blocks {
		if b.Type != "client" {
			d.notBlock(b, known, topFields)
			continue
		}
		d.noLabels(b)
		d.client(b.Body)
	}
}

func (d *decoder) client(body *hclsyntax.Body) {
	known := slices.Concat(slices.Sorted(maps.Keys(clientFields)), slices.Sorted(maps.Keys(clientMaps)))
	for _, e := range attributes(body, "client.") {
		if set, ok := clientFields[e.name]; ok {
			if d.first(e) {
				set(d, e)
			}
		} else if set, ok := clientMaps[e.name]; ok {
			d.each(d.members(e), set)
		} else {
			d.unknown(e.rng, "argument", e.name, known)
		}
	}
	for _, b := range body.Blocks {
		set, ok := clientMaps[b.Type]
		if !ok {
			d.notBlock(b, known, clientFields)
			continue
		}
		d.noLabels(b)
		d.noBlocks(b.Body)
		d.each(attributes(b.Body, "client."+b.Type+"."), set)
	}
}

// each sets the entries of a map. Repeated blocks are merged.
func (d *decoder) each(entries []entry, set func(*decoder, entry)) {
	for _, e := range entries {
		if d.first(e) {
			set(d, e)
		}
	}
}

// notBlock refuses a block: one that is a value, or one that is not known.
func (d *decoder) notBlock(b *hclsyntax.Block, known []string, values map[string]func(*decoder, entry)) {
	if _, ok := values[b.Type]; ok {
		d.fail(b.TypeRange, "Wrong type", b.Type+" is a value: write "+b.Type+" = ….")
		return
	}
	d.unknown(b.TypeRange, "block", b.Type, known)
}

// enabled is accepted as the page has it. An agent that is none would have
// nothing to do, and one that ignored the line would run containers where
// somebody said not to.
func (d *decoder) enabled(e entry) {
	on := true
	if d.boolean(e, &on) && !on {
		d.fail(e.expr.Range(), "Unsupported value", "client.enabled = false leaves the agent nothing to do; stop it instead.")
	}
}

func (d *decoder) meta(e entry) {
	var s string
	if d.scalar(e, &s) {
		d.cfg.Client.Meta[e.name] = s
	}
}
