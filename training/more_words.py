"""More wordings to train on, written when the vocabulary was fixed: new words in them are spelt in pieces.

Written in the styles of many people by somebody who had seen four examples of each kind, and neither `words.HELD` nor
`other_words.py`; what stands there as well was left out.

Longer than most files: it is a list.
"""

TASKS = {
    "push": """give {o} a push {w} of {n} cm|nudge {o} {w}, about {n} cm|could you slide {o} {n} cm {w}?
        |{o} should go {n} cm {w}|slide {o} over {w} by {n} cm please|{n} cm {w} with {o}
        |please shove {o} {w}, {n} cm should do|kindly displace {o} by {n} cm {w}|can you scoot {o} {w} {n} cm?
        |i need {o} moved {n} cm {w}|take {o} and slide it {w} for {n} cm|{o}, {n} cm {w} please
        |would you mind pushing {o} {w} by {n} cm?|all right folks, let's slide {o} {n} cm {w}
        |so, you know, just nudge {o} {w}, like {n} cm or so
        |well well well, what do we have here, {o}! let's push it {n} cm {w}
        |and now, ladies and gentlemen, {o} travels {n} cm {w}
        |okay so tell us, could you scoot {o} {w} by, well, {n} cm?|ugh just shove {o} {n} cm {w} already
        |dude, {o}, {n} cm {w}, now|like, slide {o} {w} {n} cm, how hard can it be|bro move {o} {n} cm {w} pls
        |omg {o} needs to go {n} cm {w}, hurry up|{n} cm {w} with {o}, come on
        |i wonder whether you might push {o} {n} cm {w}
        |would it be too much trouble to shift {o} {w} by some {n} cm?
        |if you'd be so kind, {o} might go {n} cm {w}, i should think
        |perhaps one could ease {o} {w}, by {n} cm if i may be precise
        |i rather think {o} ought to be {n} cm further {w}
        |might i trouble you to nudge {o} a matter of {n} cm {w}?
        |terribly sorry, but would you slide {o} {n} cm {w}?|okay champ, give {o} a shove, {n} cm {w}
        |time for {o} to hit the road, buddy: {n} cm {w}|hey kiddo, scooch {o} {w} {n} cm, no speeding
        |{o} is going on a road trip, {n} cm {w}, are we there yet
        |put your back into it, sport, and push {o} {w} {n} cm
        |slide {o} {n} cm {w}, and don't make me turn this table around|pick up, uh, i mean push {o} {n} cm {w}
        |push {o}, uh, no, not far, i mean just {n} cm {w}
        |could you pull, no sorry, push {o} {w}, i mean by {n} cm|take, wait, no, just slide {o} {n} cm {w}
        |er, {o}, i mean to say, shift it {w} by {n} cm|hold on, hmm, right: {n} cm {w} for {o}, just push it""",
    "fetch": """please grasp {o}|could you pick {o} up for me?|i want you to hold {o}|{o}, pick it up
        |get hold of {o}|raise {o} off the table|i'd like {o} in the gripper
        |close the gripper around {o} and lift it|can you grab {o} please?|would you take hold of {o}?
        |pick {o} up and keep it|seize {o} and lift it up|so, um, go ahead and grab {o} for us
        |let's give it up for {o}, pick it up, will you|you know what, folks, i'd love to see you lift {o}
        |well, okay, so, how about you pick {o} up?
        |and now, the moment we've all waited for, take {o} in your hand
        |now tell me, can you hold {o} up for the audience?|ugh, get {o} already|just grab {o}, like, now
        |dude pick up {o}, i don't have all day|gimme {o}|hello? {o}? pick it up?|yo snatch up {o} real quick
        |i need {o} like yesterday, take it|i wonder whether you might pick up {o}
        |would you be so good as to take hold of {o}?|might i trouble you for {o}?
        |if it isn't a bother, i should like you to lift {o}|perhaps you could see your way to fetching {o}
        |one would be awfully grateful if {o} were picked up|i don't suppose you could get hold of {o}?
        |okay champ, get a grip, on {o} that is|go get {o}, sport, and no dropping it on my toe
        |hey kiddo, scoop up {o} for your old man|grab {o}, buddy, it's a real pick-me-up|fetch {o}, good boy
        |here's a handy job: grasp {o}|push, uh, no, i mean pick up {o}
        |grab the, uh, the, what's it called, {o}, yes, that|put down, sorry, i mean pick up {o}
        |could you, er, drop, no, lift {o} please""",
    "put": """could you put {o} {t}?|please drop {o} {t}|{o} belongs {t}, please move it|would you carry {o} {t}?
        |bring {o} over {t}|i'd like you to lay {o} {t}|let's have {o} moved {t}|pick {o} up and set it down {t}
        |{o} should be placed {t}|kindly transfer {o} {t}|okay folks, so let's have {o} go {t}
        |well, you know, {o} would look just fabulous if you put it {t}
        |so, um, tell you what, take {o} and place it {t}|and our next guest, {o}, is moving right {t}
        |alright alright, let's pop {o} {t}, shall we|now, i gotta say, {o} really belongs {t}
        |you know what i'd love? {o}, delivered {t}|ugh just stick {o} {t} already|dude, {o} goes {t}, duh
        |like, dump {o} {t} and be done|bro chuck {o} {t} but hurry|{o}, {t}, now pls
        |omg how long does it take to get {o} {t}|why is it taking so long, move {o} {t}
        |i wonder whether you might put {o} {t}|would you mind awfully placing {o} {t}?
        |perhaps {o} could be brought {t}, if it's no bother|i should be most obliged if you carried {o} {t}
        |might i suggest that {o} be moved {t}?|if you'd be so kind, pop {o} {t}
        |i rather fancy {o} ought to go {t}|okay champ, park {o} {t}, and no scratches on the paint
        |hey buddy, {o} needs a ride {t}|move {o} {t}, kiddo, and i'll only tell one joke
        |let's tuck {o} {t}, it's past its bedtime|next stop for {o}: get it {t}, all aboard
        |push, uh, i mean put {o} {t}|take {o} and, er, leave, no, set it down {t}
        |could you bring, um, what was it, {o}, yes, bring that {t}
        |pick up {o}, well, i mean, don't just pick it up, put it {t}""",
    "pair": """{o} and {p} both go {t}|could you put {o} as well as {p} {t}?|i want both {o} and {p} {t}
        |first {o}, then {p}, both {t}|please carry {o} together with {p} {t}|i'd like {o} and also {p} moved {t}
        |transfer both {o} and {p} {t}|drop {o} {t} and then {p} as well|{o} goes {t}, and so does {p}
        |would you lay {o} and {p} {t}, please?|move {o} {t}, and do the same with {p}
        |{o} should be placed {t} along with {p}
        |so folks, we've got two stars tonight, {o} and {p}, and they both go {t}
        |well, you know, let's get {o} together with {p} {t}
        |okay, um, take {o}, oh and {p} as well, and move them {t}
        |and now a big hand for {o} and {p}, both heading {t}
        |alright, so, {o} goes {t}, and guess what, so does {p}|how about we put both {o} and {p} {t}, huh?
        |ugh, {o} and {p}, both {t}, now|dude just stick {o} and also {p} {t}
        |like, {o} {t}, and {p} too, obviously|bro get {o} plus {p} {t} already
        |hurry up and shove {o} and {p} {t}, the two of them|can u just dump {o} and {p} {t}?
        |move {o} {t} and then {p} as well, it's not rocket science
        |i wonder whether you might place {o} and {p} {t}
        |would you be so kind as to bring {o} {t}, and perhaps {p} likewise?
        |might i trouble you to put both {o} and {p} {t}?
        |i should think {o} and {p} would both do nicely if moved {t}
        |if it isn't too much bother, carry {o} {t} and do the same with {p}
        |perhaps {o}, along with {p}, could be taken {t}|terribly sorry to ask, but {o} and {p} ought to go {t}
        |okay champ, two for one deal: {o} and {p} go {t}|hey kiddo, carpool time, drive {o} and {p} {t}
        |{o} and {p} are best buds, so put the both of them {t}
        |double trouble, sport: take {o} {t} and {p} right along with it
        |let's get {o} and {p} {t}, the more the merrier|stack, uh, i mean put {o} and {p} {t}
        |take {o} {t}, uh, and, i mean, {p} as well|push, no sorry, put {o} and {p} {t}
        |move {o} {t}, that's all, oh wait, no, {p} also|just one thing, er, i mean two, {o} and {p}, go {t}""",
    "stack": """{o} goes on top of {p}|could you stack {o} onto {p}?|i want {o} to sit on {p}
        |please lay {o} on {p}|take {o} and put it onto {p}|{o} on {p}, please|lift {o} onto {p}
        |i'd like to see {o} standing on {p}|would you balance {o} on {p}?|pick up {o} and set it down on {p}
        |{o} should rest on top of {p}|kindly position {o} on top of {p}
        |okay folks, watch this, {o} is going right on top of {p}|so, um, why don't you stack {o} onto {p} for us?
        |well, you know, let's build a little tower, {p} at the bottom and {o} on it
        |and now, drumroll please, place {o} on {p}|tell you what, let's have {o} sit on {p}, i love it
        |alright, so, {p} gets a hat tonight, and the hat is {o}|ugh, {o} on {p}, now
        |just plop {o} on top of {p} already|dude, {o} goes on {p}, like, on top
        |bro stack {o} on {p} it takes two secs|can you not be so slow and put {o} onto {p}?
        |like, {p} at the bottom, {o} on top, done|stick {o} on {p} and hurry
        |i wonder whether you might set {o} upon {p}|would you mind awfully resting {o} on top of {p}?
        |perhaps {o} could be placed atop {p}, if it will hold|i should be grateful to see {o} perched on {p}
        |might one ask you to balance {o} on {p}?|if it's not too bold, do put {o} on {p}
        |i rather think {o} ought to stand on {p}|okay champ, {o} gets a piggyback ride on {p}
        |hey kiddo, pile {o} on {p}, and no dropping, i just mopped|give {p} a new roof, buddy, use {o}
        |{o} wants the top bunk, {p} has the bottom one, so stack them up
        |on top of {p}, all covered with cheese, kidding, just put {o} there
        |stack {o} next to, uh, i mean on top of {p}|put {o} under, no wait, sorry, onto {p}
        |set {o} beside, er, no, right on {p}|push, i mean, lift {o} and put it on {p}
        |place {o} on, uh, what's it, on {p}, yes, on top""",
    "clear": """could you clear everything off the table and put it {t}?|i want everything on the table moved {t}
        |take all the stuff on the table and put it {t}|make the table empty, all of it goes {t}
        |please get everything {t} so the table is free|empty the table, things go {t}
        |all objects {t}, i want the table clear|i need a clean table, move everything {t}
        |would you bring every single thing on the table {t}?|clear up, put it all {t}
        |whatever is on the table should go {t}|kindly remove all items from the table and place them {t}
        |okay folks, that's a wrap, everything on the table goes {t}
        |so, um, let's get this whole table cleared, put it all {t}
        |well, you know, i'd love an empty table, so move everything {t}
        |and for our grand finale, the entire table gets emptied {t}
        |alright, let's clean house here, every single thing {t} please
        |tell you what, take all the stuff on this table and put it {t}
        |ugh, this table is a mess, just dump it all {t}|dude, everything {t}, the table has to be empty
        |like, whatever is on the table, stick it {t}|bro clear the table already, all of it {t}
        |just get everything off the table and {t}, hurry|can you shove all this stuff {t} so the table is clean?
        |all the things, every last one, {t}, now
        |i wonder whether you might clear the table and put everything {t}
        |would it be a bother to move all that lies on the table {t}?
        |perhaps the whole lot could go {t}, so that the table is bare
        |i should be much obliged if the table were emptied {t}
        |might i suggest a tidy table, with everything moved {t}?
        |if you'd be so kind, everything that is on the table ought to go {t}
        |one does like a clear table, so do take the lot {t}|okay champ, cleanup time, the whole table goes {t}
        |hey kiddo, tidy up, everything {t}, or no dessert
        |were you raised in a barn? all the things on the table go {t}
        |let's make this table as bald as me, move everything {t}|everybody on the bus, sport: all objects {t}
        |put one, uh, no, i mean everything on the table {t}|sort, er, no, just clear the table, all of it {t}
        |take some, well, i mean all the things here {t}
        |clean the floor, uh, sorry, the table, everything goes {t}
        |move that, er, that and, oh, simply everything on the table {t}""",
    "sort": """could you sort the table so that the {a} go {t} and the {b} {u}?|i want the {a} {t} and the {b} {u}
        |separate them: the {a} {t}, the {b} {u}|please move the {a} {t} and then the {b} {u}
        |{a} {t}, {b} {u}, please|all the {a} should go {t}, all the {b} {u}|split things up, {a} {t} and {b} {u}
        |arrange everything by kind, the {a} {t} and the {b} {u}|the {a} belong {t} while the {b} belong {u}
        |sort out the mess: {a} {t} and {b} {u}|would you place the {a} {t} and the {b} {u}?
        |i'd like the {a} put {t}, but the {b} {u}|divide them up so the {a} end up {t} and the {b} {u}
        |okay folks, so it's a sorting game, {a} {t} and {b} {u}
        |well, you know, let's split them up, the {a} go {t}, the {b} go {u}
        |so, um, all the {a} head {t}, and then all the {b} {u}, i love it
        |and now, on one side, {a} {t}, and on the other, {b} {u}
        |alright, let's sort this out, put the {a} {t}, and you guessed it, the {b} {u}
        |tell you what, take {a} {t} and then take {b} {u}|ugh, {a} {t}, {b} {u}, easy
        |dude just sort it, {a} {t} and {b} {u}|like, the {a} belong {t} and the {b} belong {u}, duh
        |bro put {a} {t} n {b} {u} already|can you stick the {a} {t} and the {b} {u}, like, today?
        |the {a} go {t}, the {b} go {u}, got it|every one of the {a} goes {t}, every one of the {b} {u}, hurry
        |i wonder whether you might sort these, the {a} {t} and the {b} {u}
        |would you be so good as to put {a} {t} and, if i may, {b} {u}?
        |perhaps the {a} could go {t}, whilst the {b} are taken {u}
        |i should like the {a} {t}, i think, and the {b} rather {u}
        |might one separate them, the {a} being placed {t} and the {b} {u}?
        |if it's no trouble, carry the {a} {t} and likewise the {b} {u}
        |i do feel {a} ought to go {t} and {b} ought to go {u}|okay champ, laundry day rules: {a} {t}, {b} {u}
        |hey kiddo, separate the teams, {a} {t}, {b} {u}|you're out of sorts, so sort: the {a} {t} and the {b} {u}
        |drive all the {a} {t} and all the {b} {u}, buckle up|no mixing, sport, all {a} {t}, all {b} {u}
        |stack, uh, i mean sort them, {a} {t}, {b} {u}|put the {a} {t}, and the, uh, what are they, the {b}, {u}
        |count, no sorry, sort the things, the {a} {t} and the {b} {u}
        |move one, er, i mean all {a} {t} and all {b} {u}
        |okay so {a} go, let me think, {t}, and {b}, right, they go {u}""",
    "all_of": """could you put all the {a} {t}?|i want every one of the {a} {t}|the {a} all go {t}
        |take all of the {a} and put them {t}|gather the {a} and bring them {t}|please carry all {a} {t}
        |all the {a} {t}, please|i'd like all the {a} to end up {t}|collect all {a} and drop them {t}
        |would you move each of the {a} {t}?|the {a}, put them all {t}|any {a} you find should go {t}
        |kindly transfer all {a} {t}|okay folks, let's get all the {a} {t}
        |so, um, every single one of the {a} goes {t}, how about that
        |well, you know, i want to see all of those {a} {t}|and now a big hand for the {a}, all of them moving {t}
        |alright, gather up all the {a} and put them {t}, would you
        |tell you what, whatever {a} we have here, all {t}|ugh, all the {a} {t}, now
        |dude put all {a} {t}, not just one|like, every one of the {a} has to go {t}
        |bro just dump all those {a} {t}|{a}, all of them, {t}, hurry up|can u get all the {a} {t} already?
        |what are you waiting for, all the {a} go {t}|i wonder whether you might put all the {a} {t}
        |would you mind terribly taking each of the {a} {t}?|perhaps all {a} could be brought {t}, if convenient
        |i should be obliged if the {a}, every one of them, went {t}
        |might i trouble you to carry all of the {a} {t}?|if you'd be so kind, all the {a} ought to go {t}
        |i rather think the {a}, the whole lot of them, belong {t}
        |okay champ, round up all the {a}, cowboy style, and bring them {t}
        |hey kiddo, march all the {a} {t}, no stragglers|field trip time: every one of the {a} goes {t}
        |take the {a} {t}, buddy, the whole gang of them|gotta catch 'em all: put all the {a} {t}
        |put one, uh, i mean all of the {a} {t}|count, no, sorry, move all the {a} {t}
        |take some of, er, no, every one of the {a} {t}|all the things, uh, i mean all the {a}, {t}
        |bring the, um, the {a}, yes, all those, bring them {t}""",
    "count": """can you count the {a} for me?|how many {a} do we have?|what number of {a} do you see?
        |i want to know how many {a} are here|please count all the {a}|how many of them are {a}?|{a}, how many?
        |count up all {a} please|could you say how many {a} lie there?|what is the total count of {a}?
        |so folks, the big question tonight, how many {a} have we got?
        |well, you know, i'm curious, what's our total of {a}?|okay, um, tell the audience how many {a} there are
        |and the number of {a} is, drumroll please?|now, i gotta ask, just how many {a} are we looking at here?
        |alright, let's count those {a}, shall we|ugh, how many {a}?|dude just count the {a}
        |like, how many {a} are there even?|bro how many {a} u see|quick, number of {a}|{a}, how many, come on
        |can you count the {a} already?|i wonder whether you might tell me how many {a} there are
        |would you be so good as to count the {a} for me?|might one enquire as to the number of {a}?
        |how many {a} would you say we have, if i may ask?
        |i should rather like to know how many {a} there happen to be
        |perhaps you could give me a count of the {a}, roughly or otherwise
        |i don't suppose you know how many {a} there are altogether?|okay champ, math test: how many {a} in all?
        |hey kiddo, can i count on you to count the {a}?
        |how many {a} does it take to change a lightbulb, kidding, how many do we have?
        |let's do a head count of the {a}, sport|give me the total on the {a}, buddy, no calculators
        |where are, uh, i mean how many {a} are there?|sort, no sorry, count all the {a}
        |how much, er, how many {a} do you see?|tell me which, uh, no, how many {a} we've got
        |what's the size, i mean the number, of {a}?""",
    "count_tray": """tell me how many things are in the {p}|can you count what is in the {p}?
        |how many items does the {p} hold?|i want to know how many objects the {p} contains
        |please count everything in the {p}|give me the number of things in the {p}
        |what number of items is in the {p}?|in the {p}, how many things are there?
        |how much stuff is in the {p}, count it|could you tell me how many pieces lie in the {p}?
        |count up the things inside the {p}|how many objects can you see in the {p}?
        |the {p}, how many things are in it?|so folks, what's the score, how many things are in the {p}?
        |well, you know, i'm dying to know how many objects are in the {p}
        |okay, um, tell us, how much stuff have we got in the {p}, what's the number?
        |and the number of objects in the {p} is, drumroll?
        |now, i gotta ask, how many items made it into the {p} tonight?
        |alright, let's count what's in the {p}, shall we|ugh, how many things are in the {p}?
        |dude count the stuff in the {p}|like, how many are in the {p}?|bro how many things u got in the {p}
        |quick, number of things in the {p}|in the {p}, how many, come on
        |can you just count what's inside the {p} already?
        |i wonder whether you might tell me how many objects the {p} holds
        |would you be so kind as to count the items in the {p}?|might one enquire how many things lie in the {p}?
        |how many objects would you say are in the {p}, if i may ask?
        |i should rather like to know the number of things in the {p}
        |perhaps you could count the contents of the {p} for me
        |i don't suppose you know how many items are in the {p} at present?
        |okay champ, math quiz: how many things in the {p}?
        |hey kiddo, how many passengers are aboard the {p}? count them
        |take attendance in the {p}, sport, how many objects showed up?
        |what's the population of the {p}, buddy, how many things?
        |do a head count in the {p}, and no using your toes
        |where, uh, i mean how many things are there in the {p}?
        |clear, no, sorry, just count the things in the {p}|how many on, er, in the {p}, how many objects?
        |what's in, well, i mean how many are in the {p}?|how much, uh, how many pieces does the {p} have in it?""",
    "where": """please find {o} for me|i am looking for {o}, where is it?|what is the position of {o}?
        |could you locate {o}?|{o}, where is it?|i cannot find {o}, do you see it?|whereabouts is {o} right now?
        |any idea where {o} might be?|i want to know where {o} lies
        |so folks, the mystery of the night, where is {o}?
        |well, you know, i've been wondering, where did {o} end up?
        |okay, um, tell the audience where we can find {o}|now, i gotta ask, whereabouts is {o} tonight?
        |and where, oh where, is {o} sitting?|alright, let's find out where {o} is, shall we|ugh, where's {o}?
        |dude where's {o}|like, where even is {o}?|bro i can't find {o}, where is it|{o}, where, come on
        |just tell me where {o} is already|can you see {o} or what?
        |i wonder whether you might tell me where {o} is|would you happen to know the whereabouts of {o}?
        |might one enquire where {o} could be?|i don't suppose you have seen {o} anywhere?
        |i should be glad to learn where {o} is to be found|perhaps you could point out to me where {o} lies
        |where, if i may ask, would {o} be at present?|okay champ, hide and seek time, where's {o} hiding?
        |hey kiddo, {o} is playing hide and seek, where is it?|do you know where {o} is, buddy? it's ten o'clock
        |where in the world is {o}, detective?|calling all cars, locate {o} for me, where is it
        |how many, uh, i mean where is {o}?|what is, er, no, where is {o}?
        |take, no sorry, just tell me where {o} is|where did i put, uh, i mean where is {o} now?
        |is it, um, well, {o}, i mean, where would it be?""",
    "moved": """did anything move?|has somebody moved something?|what did someone move?
        |i want to know which object was moved|can you tell what was shifted?|has any object changed its place?
        |what is in a different place now?|which one has been moved around?|say which thing got moved
        |did someone move an object, and which one?|what changed its position?|please find out what has moved
        |is something standing somewhere else than before?
        |so folks, something has shifted here, what was it that moved?
        |well, you know, i'm curious, which thing got moved?|okay, um, tell the audience what has been moved
        |now, i gotta ask, what's in a different spot than before?|and the object that was moved is, drumroll?
        |alright, which one changed its place, hm?|ugh, what moved?|dude what got moved
        |like, which thing is not where it was?|bro somebody moved something, what was it
        |just tell me what was moved already|which one moved, come on|what's been shifted? hurry
        |i wonder whether you might tell me what has been moved
        |would you happen to know which object has been shifted?|might one enquire what has changed its position?
        |i don't suppose you noticed which thing was moved?
        |i should rather like to know which object is no longer in its old place
        |perhaps you could say which item has been displaced
        |something seems to have been moved, i fear, what might it be?
        |okay champ, detective time, what has been moved?
        |hey kiddo, somebody's been moving my stuff, which thing was it?
        |i smell a moving company, so what got moved?|what has been sleepwalking, buddy? which object moved?
        |name the thing that was moved, sport, for ten points|what's gone, uh, no, i mean what was moved?
        |what is new, er, sorry, what has moved?|where, i mean which object was moved?
        |who moved, no, what was moved, that's what i mean?
        |which one did they take, uh, i mean shift, which one sits elsewhere now?""",
    "put_back": """return the moved object to its old place|could you put the thing that was moved back?
        |i want the moved object back in its old spot|whatever was moved, put it back
        |move it back to where it came from|please restore the object to its previous position
        |bring back the thing that got moved|would you undo that move?
        |the object that was shifted should go back to its place|set it back in its original place
        |make it the way it was before it was moved|take what was moved and return it
        |someone moved something, please put it back|back to its old place with it
        |okay folks, let's rewind, put the thing that moved back in its old spot
        |so, um, whatever got moved, let's return it to its place
        |well, you know, i liked it better before, so put back what was moved
        |and now, back by popular demand, the moved object returns to where it was
        |tell you what, undo that move for us|alright, let's get the thing that was shifted back where it belongs
        |ugh, just put it back|dude put it back where it was|like, undo whatever got moved
        |bro the thing that moved, put it back|move it back already|whatever was moved, back to its old place, now
        |can you just put that moved thing back?|i wonder whether you might put back what has been moved
        |would you be so kind as to return the moved object to its place?
        |perhaps the object that was shifted could be restored to where it stood
        |i should be obliged if the thing that moved were put back|might i trouble you to undo the last move?
        |i rather think what was moved ought to go back to its former spot
        |if it's no bother, do restore the displaced item to its old position
        |okay champ, whatever wandered off its spot, bring it back there
        |hey kiddo, put it back where you found it, house rules|undo, undo, ctrl z on that move, buddy
        |homecoming day: the object that moved goes back to its old place
        |what was moved must be unmoved, sport, so put it back|take it away, uh, i mean put it back where it was
        |what moved, er, no, put back what moved|leave it, no, sorry, put the moved one back in its place
        |put back the new, uh, i mean the moved object
        |go on, uh, i mean go back, return what was moved to where it was""",
    "gone": """has anything disappeared?|what did someone take away?|which object is missing?
        |is something gone from the table?|tell me what is no longer there|can you tell what has been removed?
        |what is not here any more?|i want to know what is missing|did somebody take something?
        |which thing has vanished?|what was there before and is not now?|please say which object has been taken
        |do you notice anything missing?|what used to be here and is gone?
        |so folks, somebody has left the stage, what's missing?|well, you know, i'm curious, what has disappeared?
        |okay, um, tell the audience which thing is gone|now, i gotta ask, what isn't here anymore?
        |and the object that vanished is, drumroll?|alright, who took something, and what did they take away?
        |ugh, what's missing?|dude what's gone|like, which thing isn't here anymore?
        |bro somebody stole something, what was it|just tell me what disappeared already
        |is something missing or what?|what got taken, come on
        |i wonder whether you might tell me what has gone missing
        |would you happen to know which object has been removed?|might one enquire what has vanished?
        |i don't suppose you noticed what has been taken away?|i should rather like to know which item is absent
        |perhaps you could say which thing is no longer here
        |something seems to be missing, i fear, what might it be?
        |okay champ, detective time, what has gone missing?
        |hey kiddo, the cookie thief struck, which thing did he take?
        |call the cops, something was stolen, so what's gone?|what left without saying goodbye, buddy?
        |name the thing that has disappeared, sport|what moved, uh, no, i mean what's gone?
        |what's new, er, sorry, what's missing?|where, i mean which object has disappeared?
        |what was added, no, taken away, that's what i mean?
        |what did they shift, uh, i mean remove, which thing is no longer there?""",
    "new": """has something been added?|what is there now that was not there before?
        |did someone put something new on the table?|can you see any new object?|which thing was added?
        |i want to know what has been added|what came in addition?|do you notice anything new?
        |what has newly appeared?|please say which object is new here
        |is there something that was not here earlier?|which one did somebody add?
        |what did someone add to the table?|so folks, we have a surprise guest tonight, what's new here?
        |well, you know, i'm curious, what has been added?|okay, um, tell the audience which thing just joined us
        |now, i gotta ask, what wasn't here before?|and our newcomer is, drumroll, which object?
        |alright, something's been added, what is it?|ugh, what's new?|dude what got added
        |like, which thing wasn't there before?|bro somebody put something new here, what is it
        |just tell me what the new thing is already|is there something new or what?|which one's new, come on
        |would you happen to know which object has been added?|might one enquire what has lately appeared?
        |i don't suppose you noticed what has been added?
        |i should rather like to know which item is the new arrival
        |perhaps you could say which thing has newly come
        |there seems to be something new, i believe, what might it be?
        |okay champ, who's the new kid on the block, which object?
        |hey kiddo, it's a baby shower, which object just arrived?|what showed up uninvited, buddy?
        |something's new and it's not my haircut, so what is it?|name the thing that has just appeared, sport
        |what's gone, uh, no, i mean what's new?|what moved, er, sorry, what was added?
        |where, i mean which object is the new one?|what was taken, no, added, that's what i mean?
        |what's missing, uh, i mean the opposite, what has come in addition?""",
    "edit_target": """actually, make it {p}|no, it should go {t}|wait, {p} would be better
        |could you do it {t} instead?|i changed my mind, {t}|change the place to {p}|sorry, {t} i mean
        |hold on, i'd prefer {p}|please make the destination {p}|put it {t} instead|take {p} as the goal instead
        |on second thought, {t} please|oh, you know what, let's make it {p} instead
        |well, um, i think {p} would be more fun, change it to that|hold on folks, plot twist, it goes {t}
        |so, scratch that, we're going with {p}|tell you what, let's go {t} instead, i love it
        |no no no, the audience wants {p}|ugh no, {p}|dude not there, {t}|like, {p}, obviously
        |bro wrong place, i said {t}|nope, make it {p}|change it, {p}, hurry|not there omg, it goes {t}
        |i wonder whether {p} might be better|would you mind awfully using {p} instead?
        |perhaps rather {t}, if it's all the same to you|on reflection, i should prefer {p}
        |might i suggest {p} in its place?|i'm so sorry, but it ought to go {t}
        |{p} would do rather better, i should think|recalculating route, champ: {t}|wrong exit, kiddo, take it {t}
        |close but no cigar, buddy, use {p}|change of address, sport, it's {p} now
        |how about {p} instead? dad knows best|uh, no, i mean {p}|did i say there? i meant {t}
        |sorry, er, i mean {t} instead|wait, that's wrong, um, {p} is what i meant
        |let me correct myself, not that place but {p}""",
    "edit_object": """wrong one, take {p} rather than {o}|{o} is wrong, i want {p}|i said {o} but i meant {p}
        |please swap {o} for {p}, that is the one i want|no, not {o}, i want {p}
        |actually it should be {p}, not {o}|forget {o}, do it with {p}|could you use {p} rather than {o}?
        |it is {p} that i want, not {o}|{o} was a mistake, {p} is the right one|i'd rather have {p} than {o}
        |drop {o} from the plan and use {p} in its place|oh, wait, folks, not {o}, we want {p}
        |well, um, you know, i'd rather have {p} than {o}|hold on, plot twist, swap {o} for {p}
        |so, scratch {o}, let's go with {p}|tell you what, {o} is off the show tonight, {p} takes its place
        |no no no, the audience wants {p}, not {o}|ugh not {o}, {p}|dude i said {p}, not {o}
        |like, {p}, obviously, why would i want {o}|bro wrong one, use {p}, not {o}|nope, forget {o}, take {p}
        |omg {p} not {o}, listen|who said {o}? i want {p}|i wonder whether you might use {p} in place of {o}
        |would you mind awfully taking {p} rather than {o}?|perhaps {p} would be better than {o}, so do take that
        |on reflection, i should prefer {p} to {o}|might i suggest replacing {o} with {p}?
        |i'm so sorry, i was thinking of {p}, not of {o}|it ought to be {p}, i should think, instead of {o}
        |put me in coach, says {p}, and {o} goes to the bench|close but no cigar, kiddo, it's {p}, not {o}
        |you say {o}, i say {p}, and dad's the boss|substitution, sport: {o} out, {p} in
        |trade {o} for {p}, buddy, best deal in town|{o}, uh, no, i mean {p}|did i say {o}? i meant {p}
        |sorry, er, when i said {o} i wanted to say {p}|i was wrong about {o}, um, {p} is what i mean
        |instead of, uh, {o}, i mean, please do take {p}""",
    "edit_drop": """not {o}, please, let it stay|{o} can stay where it is|please leave {o} out
        |do it without touching {o} this time|i want {o} left out of it|forget about {o}, do the rest
        |could you leave {o} alone?|{o} stays, do the others|take {o} off the list|exclude {o} from the task
        |oh, you know what, folks, let's leave {o} out of it|well, um, i think {o} can stay where it is
        |hold on, {o} is not on the show tonight, skip it|so, scratch {o} from the list
        |tell you what, do the rest, but not {o}|everybody except {o}, okay|ugh, not {o}|dude skip {o}
        |like, forget about {o}|bro leave {o} alone|everything but {o}, duh|{o} stays, ok
        |don't bother with {o}, hurry up|i wonder whether you might leave {o} where it is
        |would you mind awfully leaving out {o}?|perhaps {o} need not be moved after all
        |on reflection, i should prefer to keep {o} in its place|might i suggest we omit {o}?
        |i'm so sorry, but {o} ought to stay put|do carry on with the others, though without {o}, i should think
        |{o} is grounded, champ, it stays where it is|no ride for {o} today, kiddo, just the others
        |leave {o} be, buddy, it's on vacation|let sleeping dogs lie, and {o} too|take {o} off the list, sport
        |and, uh, no, i mean without {o}|move, er, sorry, do not move {o}
        |i said {o} as well, but, um, no, leave that one out|all of them, uh, i mean all except {o}
        |wait, {o}, i mean, that one shouldn't be moved""",
    "edit_order": """do it in reverse|please swap the order|could you do it the other way around?
        |i want it in the opposite order|go backwards through the list|start from the end
        |change the order round, please|i would rather have it in reverse order|would you begin at the end?
        |oh, you know what, folks, let's do it in reverse order|well, um, how about we start from the end?
        |hold on, plot twist, do it backwards, last one first|so, let's flip the whole order around
        |tell you what, the last act opens the show, and the first one closes it
        |let's run this list from the bottom to the top|ugh, other way round|dude reverse it
        |like, do the last one first and so on, backwards|bro the order is wrong, flip it|backwards order, come on
        |start at the end, duh|wrong order omg, do it the other way around
        |i wonder whether you might do it in the opposite order|would you mind awfully reversing the sequence?
        |perhaps one could begin with the last and end with the first
        |on reflection, i should prefer the reverse order|might i suggest the other way about?
        |i'm so sorry, but the order ought to be inverted
        |the opposite sequence would do rather better, i should think|put it in reverse, champ, beep beep beep
        |the last shall be first, kiddo, like in the good book|flip the order, buddy, like my famous pancakes
        |opposite day, sport: turn the whole order around|read the list like a crab, from back to front
        |start with the first, uh, no, i mean with the last|in this order, er, sorry, in the reverse order
        |did i say in that order? i meant the other way round
        |first to last, no, wait, last to first is what i mean""",
    "edit_add": """please include {o}|and take {o} along as well|{o} as well, please|do the same with {o}
        |oh, and {o}|could you do {o} also?|i want {o} included too|{o} should come along too
        |put {o} on the list as well|and on top of that {o}|with {o} in addition|would you add {o} to it, please?
        |oh, you know what, folks, let's throw in {o} as well|well, um, i think {o} should join the party too
        |hold on, we have one more guest, {o}|so, let's include {o}, why not
        |tell you what, take {o} along as well, i love it|and, and, and, also {o}, ladies and gentlemen
        |ugh, and {o} too|dude {o} as well|like, also {o}, obviously|bro add {o}|plus {o}, hurry up
        |u forgot {o}, do it too|oh and {o}, duh|i wonder whether you might include {o} too
        |would you mind awfully doing the same with {o}?|perhaps {o} as well, if it's no bother
        |on reflection, i should like {o} in addition|might i suggest adding {o} to that?
        |i'm so sorry, there is {o} to be done likewise|{o} ought to come along also, i should think
        |room for one more, champ: {o}|don't leave {o} behind, kiddo, bring it too|and {o} makes one more, buddy
        |wait, there's more, you also get {o}|the same for {o}, sport, fair is fair
        |without, uh, no, i mean with {o} as well|that's all, er, no, sorry, {o} too
        |not only those, um, {o} also is what i mean|i forgot, uh, what was it, {o}, yes, that one as well
        |just those, well, i mean, those and {o}""",
    "go_on": """please proceed|you can go on now|go ahead with the rest|could you continue, please?|next step
        |do the next one|ok, carry on with it|i want you to continue|on you go|and now the next one|keep at it
        |finish what you started|okay folks, the show must go on|well, um, you know, let's keep it rolling
        |so, what's up next?|and we're back, carry on please|alright, let's move on to the next one
        |tell you what, just keep going, i love it|after the break, we continue, so go ahead|ugh, keep going
        |dude go on|like, next|bro don't stop now|next one, come on|why did u stop? continue
        |hurry up and do the next step|i wonder whether you might carry on|would you be so kind as to continue?
        |perhaps we might proceed|do go on, if it's no bother|might i suggest we resume?
        |i should think you may proceed now|pray continue, old chap|keep on trucking, champ
        |next, please, like at the deli counter|don't stop now, kiddo, you're on a roll
        |onward and upward, buddy, next step|green light, sport, keep going|stop, uh, no, i mean go on
        |wait, er, no, sorry, do continue|go back, um, no, i mean go ahead with the next one
        |that's, uh, i mean, please resume where you left off""",
    "cannot": """sing a song for me|please wash the dishes|could you call my mother?|order a pizza
        |i'd like you to drive me home|write a letter to my boss|boil {o} for five minutes
        |would you turn on the radio?|glue {o} together|vacuum the carpet|set {o} on fire
        |so folks, um, how about you sing {o} a lullaby?|well, you know, let's have you paint {o} green
        |tell you what, peel {o} for our audience|dude just microwave {o}|bro smash {o} with a hammer
        |ugh, wrap {o} in gift paper already|like, cut {o} in half, now
        |i wonder whether you might wash {o} with soap|would you be so kind as to post {o} to my aunt in kent?
        |perhaps you could polish {o} with a cloth until it shines|okay champ, kick {o} over the fence
        |hey kiddo, weigh {o} on the bathroom scale|buddy, glue {o} to the ceiling|lift, uh, i mean eat {o}
        |push, er, no, sorry, set {o} on fire|okay folks, um, tell us the news of the day
        |well, you know, let's have you play us a song on the piano|so, could you dance a tango for the audience?
        |dude order me a pizza|bro do my homework|ugh, charge my phone already|just turn up the music, come on
        |i wonder whether you might brew a pot of earl grey|would you mind awfully closing the curtains?
        |perhaps you could take the dog for a walk|okay champ, go mow the lawn
        |hey kiddo, change the oil in the car|buddy, flip the burgers on the grill
        |open the door, uh, i mean the window|call my mother, er, no, my brother, on the phone""",
}
NOTES = {
    "broken": """the gripper is jammed|the arm is out of service|the gripper is defective|the arm has no power
        |the gripper no longer closes|the arm cannot be used today|do not use the gripper, it is damaged
        |the arm is stuck and will not move|the gripper has failed|the motor of the arm has burnt out
        |the gripper is not working at the moment|the arm is down until further notice
        |there is no working gripper right now|a finger of the gripper has come off, so it cannot grip
        |so folks, um, sad news, the gripper has given up on us|well, you know, the arm just isn't working tonight
        |okay, so, the robot's hand is out of order, folks|tell you what, the gripper won't open or close anymore
        |and the bad news, the motor of the robot has burned out|ugh, the gripper is busted
        |dude the arm is totally dead|like, the robot's motor is fried|bro the gripper doesn't work anymore
        |the hand is stuck, so annoying|omg the arm won't move at all
        |i fear the gripper may be rather out of service|it would appear that the arm has failed
        |i'm afraid the robot's hand is not quite usable at present|regrettably, the gripper seems to have jammed
        |one of the arm's motors has, i believe, given up the ghost
        |the arm, i regret to say, ought not to be used, it is damaged
        |heads up, champ, the gripper lost its grip for good, it's broken
        |the arm is on strike, kiddo, it won't budge|the robot's hand kicked the bucket, buddy, it's kaput
        |the gripper is toast, and not the kind with butter|the gripper is fine, uh, no, i mean it's broken
        |the arm works, er, sorry, it does not work anymore|the table, no, i mean the arm, is defective
        |the motor of the gripper, um, i mean, it's dead""",
    "works": """the gripper is fixed now|the arm is back in service|the gripper can be used again
        |the arm has power again and runs|the gripper is no longer jammed|you may use the arm again
        |the repair of the gripper is done, it is working|the arm is in working order again
        |good news folks, um, the gripper is back in action|well, you know, the arm is up and running again
        |ladies and gentlemen, the robot's hand has been fixed|dude the gripper works again, finally
        |ugh finally, the arm got fixed|i'm pleased to say the gripper appears to be in working order once more
        |it would seem the arm has been repaired and may be used again
        |the robot's motor, i believe, runs properly again
        |the gripper is back from the doctor, champ, and it's all fixed|the arm is alive again, kiddo, good as new
        |the gripper is broken, uh, no, i mean it's repaired now
        |the hand, er, i mean the gripper, can be used again""",
    "hands_off": """keep your hands off {o}|{o} must not be touched|everybody must leave {o} alone
        |{o} is not to be moved by anyone|nobody is allowed to pick up {o}|no one may move {o}
        |touching {o} is forbidden|{o} has to remain where it is|never take {o}
        |okay folks, um, hands off {o}, please|well, you know, {o} really has to stay right where it is
        |so, nobody moves {o}, okay folks|tell you what, let's all keep our hands away from {o}
        |and please, please, please, don't anybody touch {o}|ugh, don't touch {o}|dude leave {o} alone
        |like, no touching {o}, ever|bro nobody moves {o}, i mean it|{o} stays put, ok|don't you dare pick up {o}
        |i'd rather {o} were not touched, if you don't mind|one really ought not to move {o}
        |might i ask that {o} be left undisturbed?|i should be obliged if {o} remained in its place
        |{o} is, i'm afraid, not to be handled|would everyone kindly refrain from touching {o}
        |{o} is off limits, champ|look but don't touch, kiddo, and that goes for {o}
        |keep your mitts off {o}, buddy|{o} is like dad's recliner, nobody moves it
        |you may move, uh, no, i mean you may not move {o}|touch, er, sorry, do not touch {o}
        |{o} can be taken, no wait, i mean it must not be taken
        |leave, um, what was it, {o}, yes, leave that where it is""",
    "closed": """do not put anything into {p}|{p} must stay empty|{p} is off limits, nothing goes in
        |there is no more room in {p}|{p} cannot take anything more|please put nothing in {p}|{p} may not be used
        |nothing more is allowed in {p}|{p} is shut|okay folks, um, {p} is closed for tonight
        |well, you know, {p} is packed, nothing more goes in|so, nobody puts anything into {p}, okay folks
        |tell you what, let's keep everything out of {p}|sorry, sold out, {p} can't take any more|ugh, {p} is full
        |dude don't put stuff in {p}|like, nothing goes into {p}, ever|bro {p} is off limits|{p} is closed, ok
        |no more things in {p}, got it|i'd rather nothing were placed in {p}, if you don't mind
        |one really ought not to put anything into {p}|might i ask that {p} be left free of things?
        |i should be obliged if nothing went into {p}|{p} is, i'm afraid, quite full
        |would everyone kindly refrain from using {p}|{p} is closed for business, champ
        |no vacancy in {p}, kiddo, nothing goes in|{p} is stuffed like me at thanksgiving, nothing more fits in
        |sorry buddy, {p} must stay empty|{p} is open, uh, no, i mean it's closed
        |put things, er, sorry, put nothing into {p}|{p} can be used, no wait, i mean it must not be used
        |nothing may go, um, what was it, into {p}, yes""",
    "near": """the gripper was oiled this morning|the gripper has two fingers|the gripper is made of aluminium
        |the arm is painted orange|the arm has six joints|the gripper got new rubber pads last week
        |the arm came from japan|the gripper is quieter than the old one|the arm was calibrated yesterday
        |peter designed the gripper|the arm weighs eight kilos|the check of the arm went well
        |visitors like the gripper|the arm runs smoothly|{o} is mine|{o} was a present from my sister
        |handle {o} gently|{o} is a bit heavier than it looks|{o} was bought last year|{o} is made of plastic
        |tom likes {o} best|{o} has a small scratch|{o} has been washed|{o} feels soft|i found {o} under the sofa
        |{o} looks pretty|{o} breaks easily, so move it slowly|the children play with {o} a lot
        |{o} is older than the robot|you may take {o} whenever you like|{p} was cleaned this morning
        |{p} has a dent in the corner|{p} belongs to the workshop|{p} has been repainted
        |there is plenty of room in {p}|{p} was empty yesterday|maria brought {p} from home
        |{p} has a smooth bottom|{p} is open|so folks, um, the gripper got a brand new cover
        |well, you know, the arm looks fabulous tonight|the gripper was oiled this morning, folks, smooth as silk
        |let's give it up for the arm, it's doing a great job|dude the gripper is so slow today
        |like, the arm is kinda loud but ok|bro the gripper is shiny|ugh, somebody put a sticker on the arm
        |the gripper is, i believe, made in sheffield|i rather admire the colour of the arm
        |it would seem the gripper was inspected on monday|the arm has, i should say, a most elegant reach
        |that gripper has a better handshake than my brother-in-law|the arm could win at arm wrestling, champ
        |the gripper really grips me, kiddo, works like a charm|the gripper is blue, uh, i mean grey
        |the arm is two, er, no, three years old|anna, no, i mean ben, wiped the gripper
        |so folks, um, {o} was a gift from a fan|well, you know, {o} is my favorite thing here
        |please be gentle with {o}, folks|and {o} comes all the way from italy|dude {o} is so cute
        |like, {o} is from my cousin|bro {o} is kinda sticky|ugh, {o} is dusty|{o} is mine btw
        |{o} is, i believe, rather fragile|i should handle {o} with a little care
        |it would seem {o} was bought in london|{o} belongs, i think, to my nephew
        |{o} has more style than my socks, kiddo|handle {o} like a newborn, buddy
        |{o} cost me two bucks at a yard sale|{o} is heavy, uh, no, i mean light
        |paul, er, sorry, peter, brought {o} along|{p} is made of tin, um, i mean plastic
        |so folks, um, {p} got a fresh coat of paint|well, you know, {p} is a real classic
        |{p} was washed last night, folks|dude {p} looks old|like, {p} is bigger than i thought
        |bro {p} is from ikea|{p} is, i believe, made of oak|i rather like the look of {p}
        |it would seem {p} was dusted yesterday|{p} has some free room left, champ
        |{p} is cleaner than my garage, kiddo|{p} is new, uh, i mean nearly new|tom, er, no, tim, made {p}""",
    "neutral": """the coffee machine is broken|the window is open|the meeting starts at {n}|lunch is at noon
        |the printer is out of paper|the lamp in the hall flickers|my bicycle has a flat tyre
        |the front door is locked|we have visitors on friday|the dog is asleep|the fridge is full
        |the floor has just been mopped|anna is on holiday this week|the drill is in the cupboard
        |the internet is slow today|do not touch the wet paint on the wall|it is {n} degrees in the room
        |the lift is out of order|the camera has a new lens|the software was updated last night
        |the bus was late this morning|the kettle is still hot|there is cake in the kitchen
        |the room smells of solder|the plants need water|the heating is off|a parcel came for peter
        |the saw needs a new blade|the lab closes at {n}|the phone has been ringing all day
        |so folks, um, we have a great show at {n} o'clock|well, you know, it's a lovely evening outside
        |the audience tonight is {n} people strong|our next guest is stuck in traffic, folks
        |the microphone is broken, folks|and the coffee here is just fabulous|ugh, school starts at {n} tomorrow
        |dude the wifi is down again|like, i'm so bored|bro my phone is at {n} percent
        |the bus was late again, so annoying|the game console doesn't work anymore|my sister has a test today
        |i fear it may rain before tea|one ought not to walk on the grass, i'm told
        |the train to oxford is, i believe, {n} minutes late|the lift is regrettably out of order
        |it would seem the cricket was rather good today|i wonder whether the post has come
        |smoking is not permitted in the hall, i'm afraid|the lawn mower is busted, kiddo
        |there's {n} hot dogs in the fridge, champ|nobody touches the thermostat in this house
        |my back hurts, but the jokes are free|the game starts at {n}, buddy
        |today is monday, uh, no, i mean tuesday|the printer is empty, er, sorry, it is broken
        |it's {n} degrees outside, um, i mean roughly|the meeting is in the small, no, i mean the big room
        |my brother, uh, i mean my uncle, is visiting""",
}
