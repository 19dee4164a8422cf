let name = "glo\tbe"; in {
  escapes = "a\nb\\\"\${name}";
  interpolated = "snow${name}-${toString 3}";
  indented = ''
    one
      two ''${x} ''\t '''
    ${name}
  '';
  dollars = "$a $$ $${name}";
  bytes = builtins.substring 1 1 "é" == builtins.substring 1 1 "é";
  length = builtins.stringLength "é";
}
