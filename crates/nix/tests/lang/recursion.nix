let
  even = n: if n == 0 then true else odd (n - 1);
  odd = n: if n == 0 then false else even (n - 1);
  fix = f: let x = f x; in x;
in
[ (even 10) (odd 7) (fix (self: { a = 1; b = self.a + 1; })).b (rec { a = b; b = 5; }).a ]
