# The front door. What is built stands in meson.build, what is done in scripts/.

PREFIX = /usr/local
DESTDIR =
BUILD = build
TEST = build-test
# Debian's own, whatever python comes first in PATH.
MESON = /usr/bin/meson

.PHONY: build demo test bench install lint format fuzz soak clean

build:
	@scripts/deps build
	@scripts/configure $(BUILD) --prefix=$(PREFIX)
	$(MESON) compile -C $(BUILD)

# No `build` before it: `sudo make install` then leaves no files of root in the tree.
install:
	@test -e $(BUILD)/build.ninja || $(MAKE) build
	@scripts/configure $(BUILD) --prefix=$(PREFIX)
	$(MESON) install -C $(BUILD) $(if $(DESTDIR),--destdir $(abspath $(DESTDIR)))

demo: build
	@rm -rf $(BUILD)/stage
	@$(MESON) install -C $(BUILD) --quiet --destdir stage
	@scripts/demo $(BUILD) $(BUILD)/stage$(PREFIX)

test:
	@scripts/deps test
	@scripts/test $(TEST)

bench: build
	@scripts/deps bench
	@rm -rf $(BUILD)/stage
	@$(MESON) install -C $(BUILD) --quiet --destdir stage
	@scripts/bench $(BUILD) $(BUILD)/stage$(PREFIX)

lint:
	@scripts/deps test
	@scripts/configure $(TEST)/gcc --prefix=/usr
	@$(MESON) compile -C $(TEST)/gcc
	@scripts/lint $(TEST)/gcc

format:
	git ls-files -z '*.[ch]' | xargs -0 clang-format -i

# Random clients while the core is killed: KILLS times, else for SECONDS. SEED repeats a run;
# VICTIM=reeved kills that one. Then applications that write into their channels while messages
# pass, under sanitizers, for SECONDS.
soak:
	@scripts/deps test
	@KILLS=$(KILLS) SECONDS=$(SECONDS) SEED=$(SEED) VICTIM=$(VICTIM) scripts/soak $(TEST)
	@scripts/fuzz $(TEST)/fuzz $(SECONDS) channel

# Each target for SECONDS; what it finds stays in $(TEST)/fuzz.
SECONDS = 60
fuzz:
	@scripts/deps test
	@scripts/fuzz $(TEST)/fuzz $(SECONDS)

clean:
	rm -rf $(BUILD) $(TEST)
