# Texts that must come after others, such as activation scripts.
{ lib }:
rec {
  # Texts of `names` and of what they depend on, each once, dependencies first.
  textClosureList = entries: names:
    let
      go = done: todo:
        if todo == [ ] then { result = [ ]; inherit done; }
        else
          let
            entry = builtins.head todo;
            rest = builtins.tail todo;
          in
          if builtins.isAttrs entry then
            (let
              first = go done entry.deps;
              others = go first.done rest;
            in
            { result = first.result ++ [ entry.text ] ++ others.result; inherit (others) done; })
          else if done ? ${entry} then go done rest
          else go (done // { ${entry} = true; }) ([ entries.${entry} ] ++ rest);
    in
    (go { } names).result;

  textClosureMap = f: entries: names:
    lib.concatStringsSep "\n" (map f (textClosureList entries names));

  noDepEntry = text: { inherit text; deps = [ ]; };
  fullDepEntry = text: deps: { inherit text deps; };
  packEntry = deps: { inherit deps; text = ""; };
  stringAfter = deps: text: { inherit text deps; };
}
