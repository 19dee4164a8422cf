builtins.toXML { a = [ 1 "<&\"\n>" null true 1.5 ]; f = { x, y ? 1, ... }@z: x; g = x: x; }
