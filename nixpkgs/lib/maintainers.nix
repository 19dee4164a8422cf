# Names of maintainers. Nothing here uses them: where the evaluator can answer for names that a set
# does not hold, every name is someone.
{ lib }:
let
  host = builtins.snowglobe or { };
  named = if host ? withFallback then host.withFallback else (set: _: set);
in
named { teams = named { } (shortName: { inherit shortName; members = [ ]; }); } (name: { inherit name; github = name; })
