//! Sealing, opening and blinding allocate nothing when their output is large enough.

mod support;

use std::{
	alloc::{GlobalAlloc, Layout, System},
	cell::Cell,
};

use sealed_values::OVERHEAD_BYTES;
use support::{new_kek, ring, PLACE};

thread_local! {
	static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
	unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
		ALLOCATIONS.set(ALLOCATIONS.get() + 1);
		System.alloc(layout)
	}

	unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
		System.dealloc(pointer, layout);
	}
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(run: impl FnOnce()) -> u64 {
	let before = ALLOCATIONS.get();
	run();
	ALLOCATIONS.get() - before
}

#[test]
fn hot_path_allocates_nothing() {
	let ring = ring(&new_kek());
	let value = [7; 250];
	let mut sealed = Vec::with_capacity(value.len() + OVERHEAD_BYTES);
	let mut opened = Vec::with_capacity(value.len());
	assert_eq!(allocations(|| drop(Vec::<u8>::with_capacity(1))), 1, "it counts");
	let count = allocations(|| {
		for _value in 0..100 {
			let cipher = ring.cipher();
			sealed.clear();
			opened.clear();
			cipher.seal_into(PLACE, &value, &mut sealed).expect("it seals");
			cipher.open_into(PLACE, &sealed, &mut opened).expect("it opens");
			ring.blinding().blind(b"meter");
		}
	});
	assert_eq!(count, 0);
	assert_eq!(opened, value);
}
