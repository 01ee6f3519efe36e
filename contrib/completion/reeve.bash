# SPDX-License-Identifier: BSD-3-Clause
# bash completion for reeve(1)

# compgen expands its words like a command line: only harmless ones get there.
_reeve_members() # MEMBER COMMAND...
{
	local member=$1

	shift
	timeout 1 reeve --json "$@" 2>/dev/null |
		sed -n "s/^ *\"$member\": \"\{0,1\}\([[:alnum:]._-]*\)\"\{0,1\},*\$/\1/p"
}

_reeve_nics()
{
	ls /sys/class/net | grep -x '[[:alnum:]._-]*'
}

_reeve_value() # OPTION PATH
{
	# -t is a tenant where something is listed, else a time
	case $1$2 in
	-t*list | -t*events) set -- --tenant ;;
	esac
	case $1 in
	-s | --socket | -w | --write) COMPREPLY=($(compgen -f -- "$cur")) ;;
	-i | --near | --interface) COMPREPLY=($(compgen -W "$(_reeve_nics)" -- "$cur")) ;;
	--tenant) COMPREPLY=($(compgen -W "$(_reeve_members name tenant list)" -- "$cur")) ;;
	-N | --node | -c | --cpus | -n | --count | -t | --ttl | -l | --name | --since | -q | --queue | \
		--queues | --src | --dst | --sport | --dport | -e | --engine) ;;
	*) return 1 ;;
	esac
	return 0
}

_reeve()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local want="--count --cpus --node --near --whole-core --ttl --name"
	local common="--socket --json --help" path="" word i

	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		if [[ $word == -- && $path =~ ^\ (lease acquire|queue acquire|port add|address add|flow add) ]]; then
			_command_offset $((i + 1))
			return
		fi
		case $word in
		-s | --socket | -c | --cpus | -n | --count | -N | --node | -i | --near | -t | --ttl | \
			-l | --name | --tenant | --since | -q | --queue | --queues | --src | --dst | --sport | \
			--dport | --interface | -e | --engine | -w | --write)
			((i++))
			;;
		-*) ;;
		*) path+=" $word" ;;
		esac
	done
	_reeve_value "$prev" "$path" && return
	case $path in
	"") word="status host lease nic queue port address flow xdp net instance tenant events admin doctor --version" ;;
	" host") word="--cpus --nics" ;;
	" lease") word="list explain acquire release" ;;
	" nic") word="list" ;;
	" queue") word="list acquire" ;;
	" port" | " address" | " flow") word="list add" ;;
	" lease list" | " instance list" | " queue list" | " port list" | " address list" | \
		" flow list") word="--tenant" ;;
	" queue acquire" | " port add" | " address add" | " flow add") word=$(_reeve_nics) ;;
	" queue acquire "*) word="--count --queues --ttl --name --" ;;
	" port add "*) word="--" ;;
	" address add "*) word="--name --" ;;
	" flow add "*) word="--queue --src --dst --sport --dport --" ;;
	" lease explain") word=$want ;;
	" lease acquire") word="$want --" ;;
	" lease release") word=$(_reeve_members lease lease list) ;;
	" instance" | " tenant") word="list" ;;
	" net") word="status flows neighbours channels trace" ;;
	" net flows" | " net neighbours") word="--interface" ;;
	" net trace") word="--interface --engine --write" ;;
	" admin") word="upgrade stop" ;;
	" admin stop") word="--keep" ;;
	" events") word="--since --follow --tenant" ;;
	*) word="" ;;
	esac
	COMPREPLY=($(compgen -W "$word $common" -- "$cur"))
}

complete -F _reeve reeve
