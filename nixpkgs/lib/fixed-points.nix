# Values defined in terms of themselves, and layers over such definitions.
{ lib }:
let
  inherit (builtins) isFunction;
in
rec {
  fix = f: let x = f x; in x;

  # As `fix`, and keeps the function, so that the value can be extended later.
  fix' = f: let x = f x // { __unfix__ = f; }; in x;

  # Apply `f` until nothing changes any more.
  converge = f: x: let next = f x; in if next == x then x else converge f next;

  extends = overlay: f: final: let prev = f final; in prev // overlay final prev;

  composeExtensions = f: g: final: prev:
    let
      first = f final prev;
      second = g final (prev // first);
    in
    first // second;

  # Overlays from left to right, each seeing the result of those before it.
  composeManyExtensions = overlays: final: prev:
    (builtins.foldl'
      (acc: overlay: let new = overlay final acc.prev; in { prev = acc.prev // new; new = acc.new // new; })
      { inherit prev; new = { }; }
      overlays).new;

  makeExtensible = makeExtensibleWithCustomName "extend";

  makeExtensibleWithCustomName = name: f:
    fix' (self: f self // { ${name} = overlay: makeExtensibleWithCustomName name (extends overlay f); });

  # An overlay from any of its short forms: a set, a function of the previous value, both arguments.
  toExtension = f:
    if !lib.isFunction f then _: _: f
    else final: prev:
      let partial = f prev; in
      if lib.isFunction partial then f final prev else partial;
}
