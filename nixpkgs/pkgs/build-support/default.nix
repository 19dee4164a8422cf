# Builders: everything that makes something out of texts, trees and commands.
final: prev:
let
  inherit (prev) lib system;
  simple = import ./simple.nix { inherit lib system; };
  arguments = { inherit final lib simple; };
in
import ./texts.nix arguments
// import ./trees.nix arguments
// import ./commands.nix arguments
// import ./substitute.nix arguments
// import ./desktop.nix arguments
// import ./fetch.nix arguments
// import ./hooks.nix arguments
// import ./testers.nix arguments
// import ./refused.nix arguments
// {
  writers = import ./writers.nix arguments;
}
