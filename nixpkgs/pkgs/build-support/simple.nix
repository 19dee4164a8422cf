# Derivations that need no process: texts, trees of links, unions of trees.
{ lib, system }:
let
  # A derivation with `meta`, `passthru` and `overrideAttrs`, without the standard environment.
  simple =
    {
      arguments,
      meta ? { },
      passthru ? { },
    }:
    let
      drv = builtins.derivation (arguments // { inherit system; });
      self =
        drv
        // {
          inherit (arguments) name;
          inherit passthru;
          out = self;
          all = [ self ];
          meta = {
            inherit (arguments) name;
            available = true;
            broken = false;
            unfree = false;
            outputsToInstall = [ "out" ];
          }
          // meta;
          overrideAttrs =
            change:
            let
              before = arguments // { inherit meta passthru; };
              once = if builtins.isFunction change then change before else change;
              changes = if builtins.isFunction once then change before once else once;
            in
            simple {
              arguments = arguments // removeAttrs changes [ "meta" "passthru" ];
              meta = meta // changes.meta or { };
              passthru = passthru // changes.passthru or { };
            };
        }
        // passthru;
    in
    self;

  flag = value: if value then "1" else "";

  text =
    {
      name,
      text,
      destination ? "",
      executable ? false,
      meta ? { },
      passthru ? { },
      extra ? { },
    }:
    simple {
      inherit meta passthru;
      arguments = extra // {
        inherit name text destination;
        builder = "builtin:text";
        executable = flag executable;
      };
    };

  tree =
    {
      name,
      entries,
      meta ? { },
      passthru ? { },
    }:
    simple {
      inherit meta passthru;
      arguments = {
        inherit name;
        builder = "builtin:tree";
        entries = builtins.toJSON entries;
      };
    };

  union =
    {
      name,
      # list of { path, priority }
      paths,
      pathsToLink ? [ "/" ],
      ignoreCollisions ? false,
      extraPrefix ? "",
      meta ? { },
      passthru ? { },
    }:
    simple {
      inherit meta passthru;
      arguments = {
        inherit name extraPrefix;
        builder = "builtin:env";
        paths = builtins.toJSON paths;
        pathsToLink = builtins.toJSON pathsToLink;
        ignoreCollisions = flag ignoreCollisions;
      };
    };
in
{
  inherit
    simple
    text
    tree
    union
    ;
}
