mod misbehaviour;
mod pots;
mod properties;
mod settle;
