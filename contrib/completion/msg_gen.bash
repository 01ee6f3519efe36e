# SPDX-License-Identifier: BSD-3-Clause
# bash completion for msg_gen(1)

_msg_gen()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}

	COMPREPLY=()
	case $prev in
	--rtt_histogram) COMPREPLY=($(compgen -f -- "$cur")) ;;
	--verify | --json | --busy_poll) ;;
	--*) return ;;
	esac
	[[ ${COMPREPLY[*]} ]] || COMPREPLY=($(compgen -W "--local_ip --remote_ip --remote_port --local_port \
		--msg_size --msg_window --msg_nr --verify --duration --json --rtt_histogram --busy_poll \
		--help --version" -- "$cur"))
}

complete -F _msg_gen msg_gen
