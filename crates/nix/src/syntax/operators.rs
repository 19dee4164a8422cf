//! Operators and calls.

use super::lower::Lowerer;
use super::tree::{Kind, Node, Token};
use crate::ir::{Expr, Op, Site};
use crate::symbol::{Symbol, names};
use crate::value::Value;

impl<'a> Lowerer<'_, 'a> {
    pub(super) fn apply(&mut self, node: Node) -> Expr<'a> {
        // `f a b` is `((f a) b)`: collect the arguments.
        let mut args = Vec::new();
        let mut function = node;
        while function.kind() == Kind::NODE_APPLY {
            let mut children = function.nodes();
            let (Some(inner), Some(arg)) = (children.next(), children.next()) else {
                self.error(function.start, function.len(), "syntax error");
                return Expr::Const(Value::Null);
            };
            self.refuse_lambda(arg);
            self.refuse_lambda(inner);
            args.push(arg);
            function = inner;
        }
        let pos = self.pos(function.start);
        let function = self.alloc(function);
        let args: Vec<Site<'a>> = args.into_iter().rev().map(|arg| self.site(arg)).collect();
        Expr::Call {
            function,
            args: self.slice(&args),
            pos,
        }
    }

    /// An operator that CppNix treats as a call of a global function, if that is redefined here.
    pub(super) fn redefined(
        &mut self,
        function: Symbol,
        args: [Node; 2],
        at: u32,
    ) -> Option<Expr<'a>> {
        if !self.scopes.shadows(function) {
            return None;
        }
        let function = self.symbol(function, at);
        let args = args.map(|arg| self.site(arg));
        Some(Expr::Call {
            function: self.options.arena.alloc(function),
            args: self.slice(&args),
            pos: self.pos(at),
        })
    }

    pub(super) fn unary(&mut self, node: Node) -> Expr<'a> {
        let pos = self.pos(node.start);
        if let Some(operand) = node.nodes().next() {
            self.refuse_lambda(operand);
        }
        if node.token(Kind::TOKEN_INVERT).is_some() {
            return Expr::Not(self.nth(node, 0), pos);
        }
        let zero = self.options.arena.alloc(Expr::Const(Value::Int(0)));
        if self.scopes.shadows(names::SUB)
            && let Some(operand) = node.nodes().next()
        {
            let function = self.symbol(names::SUB, node.start);
            let args = [self.site_of(Expr::Const(Value::Int(0))), self.site(operand)];
            return Expr::Call {
                function: self.options.arena.alloc(function),
                args: self.slice(&args),
                pos,
            };
        }
        Expr::Binary {
            op: Op::Subtract,
            left: zero,
            right: self.nth(node, 0),
            pos,
        }
    }

    pub(super) fn binary(&mut self, node: Node) -> Expr<'a> {
        let mut children = node.nodes();
        let (Some(left), Some(right), Some(operator)) =
            (children.next(), children.next(), node.tokens().next())
        else {
            self.error(node.start, node.len(), "syntax error");
            return Expr::Const(Value::Null);
        };
        self.refuse_lambda(left);
        if !matches!(
            operator.kind,
            Kind::TOKEN_PIPE_LEFT | Kind::TOKEN_PIPE_RIGHT
        ) {
            self.refuse_lambda(right);
        }
        let at = operator.start;
        let pos = self.pos(at);
        let (function, op) = match operator.kind {
            Kind::TOKEN_ADD => (None, Op::Add),
            Kind::TOKEN_SUB => (Some(names::SUB), Op::Subtract),
            Kind::TOKEN_MUL => (Some(names::MUL), Op::Multiply),
            Kind::TOKEN_DIV => (Some(names::DIV), Op::Divide),
            Kind::TOKEN_EQUAL => (None, Op::Equal),
            Kind::TOKEN_NOT_EQUAL => (None, Op::NotEqual),
            Kind::TOKEN_LESS => (Some(names::LESS_THAN), Op::Less),
            Kind::TOKEN_LESS_OR_EQ => (Some(names::LESS_THAN), Op::LessOrEqual),
            Kind::TOKEN_MORE => (Some(names::LESS_THAN), Op::Greater),
            Kind::TOKEN_MORE_OR_EQ => (Some(names::LESS_THAN), Op::GreaterOrEqual),
            Kind::TOKEN_AND_AND => (None, Op::And),
            Kind::TOKEN_OR_OR => (None, Op::Or),
            Kind::TOKEN_IMPLICATION => (None, Op::Implies),
            Kind::TOKEN_UPDATE => (None, Op::Update),
            Kind::TOKEN_CONCAT => (None, Op::Concat),
            Kind::TOKEN_PIPE_LEFT | Kind::TOKEN_PIPE_RIGHT => {
                return self.pipe(left, right, operator);
            }
            other => {
                self.error(at, 1, format!("syntax error, unexpected {other:?}"));
                return Expr::Const(Value::Null);
            }
        };
        if let Some(function) = function {
            let (args, negate) = match op {
                Op::Greater => ([right, left], false),
                Op::LessOrEqual => ([right, left], true),
                Op::GreaterOrEqual => ([left, right], true),
                _ => ([left, right], false),
            };
            if let Some(call) = self.redefined(function, args, at) {
                return if negate {
                    Expr::Not(self.options.arena.alloc(call), pos)
                } else {
                    call
                };
            }
        }
        Expr::Binary {
            op,
            left: self.alloc(left),
            right: self.alloc(right),
            pos,
        }
    }

    pub(super) fn pipe(&mut self, left: Node, right: Node, operator: Token) -> Expr<'a> {
        if !self.options.pipe_operators {
            self.error(
                operator.start,
                2,
                "experimental Nix feature 'pipe-operators' is disabled; add '--extra-experimental-features pipe-operators' to enable it",
            );
            return Expr::Const(Value::Null);
        }
        let (function, arg) = match operator.kind {
            Kind::TOKEN_PIPE_LEFT => (left, right),
            _ => (right, left),
        };
        let function = self.alloc(function);
        let args = [self.site(arg)];
        Expr::Call {
            function,
            args: self.slice(&args),
            pos: self.pos(operator.start),
        }
    }
}
