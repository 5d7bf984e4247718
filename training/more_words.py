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
        |would you mind pushing {o} {w} by {n} cm?|would you be so kind as to push {o} {n} cm {w}
        |my dear, could you slide {o} {w} by {n} centimetres, please?
        |if it is not too much trouble, shift {o} about {n} cm {w}
        |we would be grateful if you moved {o} {n} centimetres {w}
        |my husband would like {o} {n} cm further {w}, please
        |might you nudge {o} {w} for us, {n} cm will do nicely|can you shove {o} {n} cm {w}?
        |robot can you scoot {o} {w} like {n} centimeters|i want {o} to go {n} cm {w}
        |please please move {o} {w} {n} centimeters|push {o} with your hand, {n} cm {w}|{o} has to go {n} cm {w}
        |reposition {o} {n} cm {w}, please|please slide {o} gently {w}, {n} cm
        |ease {o} {w} by {n} centimetres, carefully|let us shift {o} {w}, {n} cm should be enough
        |{n} cm {w} with {o}, quick|come on, shove {o} {w}, {n} cm, now|{o}, {n} cm {w}, chop chop
        |i have no space here, get {o} {n} cm {w}|{n} centimetres {w}, move {o}|budge {o} {w} by {n} cm, hurry
        |ok so um push {o} like {n} centimeters {w}|hey robot move {o} by {n} centimeters {w} thanks
        |uh slide {o} {w} that is {n} centimeters|okay next please shift {o} {w} by {n} centimeter
        |give {o} a push {w} of {n} centimeters|please, {o} should go {w} by {n} cm
        |you must to push {o} for {n} cm {w}|{o}: {n} cm {w}|displacement of {o}, {n} cm {w}
        |linear shift {o} {n} cm {w}|{n} cm {w} for {o}|{o}, offset {n} cm, direction {w}
        |push job: {o}, {w}, {n} cm|come on, shove {o} {n} centimetres {w}|give {o} a push {w}, {n} cm will do
        |slide {o} over {n} cm {w}, would you|nudge {o} {w}, {n} cm and no more|scoot {o} {w} by about {n} cm
        |i need {o} {n} cm further {w}|please translate {o} by {n} cm {w}
        |could you displace {o} {w} by {n} centimetres?|let us perturb {o}, i.e. push it {n} cm {w}
        |execute a push primitive on {o}, {n} cm {w}|for the next trial {o} should be pushed {n} cm {w}
        |apply a planar push of {n} cm {w} to {o}|advance {o} {n} centimetres {w}, now
        |{o} moves {n} cm {w}, that is an order|reposition {o} {w}, distance {n} cm|shift {o} {w}, {n} cm, at once
        |you will push {o} {w} exactly {n} cm|on my mark, drive {o} {n} cm {w}|pls push {o} {n} cm {w}
        |can u move {o} {w} like {n} cm|push {o} {w} {n}cm thx|hey move {o} bit {w}, {n} cm ok
        |u shud push {o} {n} cm {w}|yo slide {o} {w} {n} cm pls|please to push {o} for {n} cm {w}
        |you must push {o} {w}, only {n} centimetres|now we push {o} slowly {w}, it should be {n} cm
        |{o} please {n} cm {w} push|i want that you move {o} {w} about {n} cm|can you make {o} go {w} with {n} cm?
        |look at {o}, and now slide it {n} cm {w}|with {n} cm please shift {o} {w}
        |excuse me, could you push for me {o} {w}, like {n} centimeters?
        |listen, you take no object, you only push {o} {w}, {n} cm|{n} centimetres {w}, please, for {o}
        |push {w} {o}, distance is {n} cm|give {o} a push of {n} centimeters {w}
        |be so kind and slide {o} for {n} centimetre {w}|i would like {o} {n} cm more {w}
        |let us move {o} {w}, exactly {n} centimetres|must to shift {o} {w} by {n} centimeter
        |today we learn pushing: push {o} {n} centimetres {w}|{o}, push it {w} {n} cm, thank you
        |hello robot, {o} needs to move {n} centimeters {w}|please make that {o} comes {n} cm {w}
        |{w} {n} cm you push {o}|you could nudge {o} with {n} cm {w}, yes?
        |slide now {o} {w}, i think {n} cm is enough|do {o} moving {w} {n} cm
        |sorry my english, {o} please {w} move, {n} centimeter|i need {o} shifted {n} centimetres {w}
        |very carefully now, {n} cm {w}, slide {o}|how nice, now you push please {o} once {n} cm {w}
        |all right folks, let's slide {o} {n} cm {w}|so, you know, just nudge {o} {w}, like {n} cm or so
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
        |pick {o} up and keep it|seize {o} and lift it up|would you kindly pick up {o} for us
        |might we trouble you to lift {o}, please|dear robot, would you take hold of {o}?
        |if you don't mind, please fetch {o}|we should very much like you to pick {o} up
        |be a dear and take {o} in your hand|could you possibly take {o}, my good fellow?|can you get {o}?
        |pick {o} up pretty please|robot grab {o}|can you catch hold of {o} and lift it?|now you take {o} okay
        |please lift {o} up for me|i need you to pick {o} up now, please|get hold of {o} carefully
        |gently grasp {o}|hold {o} for a moment, would you?|i'll need {o}, please pick it up|grab {o}, quickly
        |{o}, now, pick it up|i need {o} in your gripper this second|for heaven's sake get {o}
        |snatch up {o}, come on|grab hold of {o}, i'm in a rush|okay um grab {o} please
        |hey robot go ahead and pick up {o}|so uh get me {o}|alright take {o} into the gripper thank you
        |please to take {o} up|{o}, pick|pick job: {o}|{o} up|gripper target {o}, lift|grasp and lift {o}
        |{o}: grip, raise|get hold of {o}, mate|haul {o} up for me|snatch up {o} and hold on to it
        |lads need {o}, pick it up|go and fetch {o}|right, next one is {o}, take it off the table
        |could you perform a pick on {o}?|i would like you to lift {o} with the gripper|attempt a top grasp on {o}
        |let us see whether you can pick {o}|execute the pick primitive with {o} as the target|secure {o}
        |take possession of {o}, now|seize {o} at once|retrieve {o} immediately|lay hold of {o} and await orders
        |your objective is {o}, pick it up|pls grab {o}|can u get {o} for me|pick {o} pls|gimme {o}
        |i want {o}, take it pls|hey u, grab {o} quick|please take {o} in hand|you should now {o} pick up
        |i want that you grab {o}|can you catch for me {o}, please?|now, very slowly, lift up {o}
        |{o} please, pick it|excuse me, i would like to have {o}|to take {o} please|bring up {o} from table
        |please you hold {o} for me|with your gripper take {o}|look, there is {o}, please grab it
        |give me {o}, my friend|{o} i need, take it please|could you be so nice and get {o}?|you must to lift {o}
        |close now the fingers around {o} and lift|i wish {o}, please to fetch|go get {o}, habibi
        |now we pick up {o}, good and slowly|please do the picking of {o}|sorry, can i have {o}?
        |take up please once {o}|{o}, lift it in the air|robot, your task is to grasp {o}
        |how much i would like {o}, please pick|fetch to me {o}|reach for {o} and take it up|get hold from {o}
        |hello, {o} for me please, i wait|so, um, go ahead and grab {o} for us
        |let's give it up for {o}, pick it up, will you|you know what, folks, i'd love to see you lift {o}
        |well, okay, so, how about you pick {o} up?
        |and now, the moment we've all waited for, take {o} in your hand
        |now tell me, can you hold {o} up for the audience?|ugh, get {o} already|just grab {o}, like, now
        |dude pick up {o}, i don't have all day|hello? {o}? pick it up?|yo snatch up {o} real quick
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
        |{o} should be placed {t}|kindly transfer {o} {t}|would you be so kind as to put {o} {t}
        |we would prefer {o} to be put {t}, thank you ever so much|may we ask you to lay {o} {t}, dear?
        |if it isn't a bother, kindly place {o} {t}|my wife would love it if you set {o} {t}
        |could you pop {o} {t} for us, please?|can {o} go {t} please?|can you put {o} {t}?
        |robot bring {o} {t} please please|{o} needs to go {t} now|please transfer {o} {t}
        |i'd like {o} placed {t}, please|lay {o} carefully {t}|would you move {o} {t} for me?
        |see to it that {o} is moved {t}|gently bring {o} over {t}|{o} {t}, now|get {o} {t}, hurry up
        |quick, {o} goes {t}|i said {o} has to go {t}, move it|stick {o} {t} and be fast|come on, i need {o} {t}
        |um put {o} {t} thanks|hey robot i want you to move {o} {t}|okay so {o} should go {t}
        |next one uh place {o} {t}|you can bring {o} {t} for me please|must put {o} {t} please
        |{o}, destination: {t}|{o} {t}|relocation of {o} {t}|pick and place: {o} {t}|stick {o} {t}, will you
        |shift {o} over {t}|get {o} {t} before lunch|that one there, {o}, that goes {t}|lay {o} nicely {t}, lad
        |i want {o} {t}, thanks|please transport {o} {t}|could you relocate {o} {t}?
        |in this episode {o} has to end up {t}|perform a pick-and-place of {o} {t}
        |the goal state has {o} moved {t}|would you mind transferring {o} {t}|deploy {o} {t}
        |{o} is to be brought {t}, proceed|deliver {o} {t} without delay|escort {o} {t}
        |you are ordered to bring {o} {t}|position {o} {t}, over|pls put {o} {t}|can u bring {o} {t}|{o} {t} pls
        |move {o} {t} ok? thx|u put {o} {t} now pls|hey plz drop {o} {t}|please to put {o} {t}
        |you must lay {o} {t}|{o} please {t} lay|i want that {o} goes {t}|can you bring for me {o} {t}?
        |now listen, we place {o} carefully {t}|excuse me, could {o} go {t}, please?
        |take {o} and then you put it {t}|make that {o} comes {t}|{o} should to be put {t}
        |let us now set {o} {t}, very good|do you could put {o} {t}?|lay please once {o} {t}|i would like {o} {t}
        |the place of {o}, it is {t}, bring it please|first pick {o}, after this drop it {t}
        |carry {o} {t}, my friend|{o} has to come {t}|transport {o} {t} please|sorry, how do you say, {o}, put {t}
        |what i want is {o} {t}|your exercise: {o} goes {t}|please you deposit {o} {t}
        |hello, {o} must be {t}, thank you very much|be so kind and leave {o} {t} for me
        |with the gripper bring {o} {t}|i need that {o} is put {t}|now {o} we want to lay {t}|give {o} {t}
        |it would be nice if you {o} {t} would put|okay folks, so let's have {o} go {t}
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
        |{o} should be placed {t} along with {p}|would you kindly put both {o} and {p} {t}
        |we would be much obliged if you brought {o} and {p} {t}|dear, could {o} and {p} go {t}, please?
        |if you'd be so good, place {o} together with {p} {t}
        |my husband and i would like {o} as well as {p} moved {t}
        |please lay {o} {t}, and {p} likewise, if you would|can you put {o} {t} and {p} as well?
        |{o} and {p} want to go {t}|robot put {o} and also {p} {t}|i want {o} and {p} both {t} please
        |take {o} and take {p} and put them {t}|first {o} and then {p} has to go {t}
        |please transfer {o} and {p} {t}|i need {o} and {p} placed {t}|set {o} {t}, please, then {p} as well
        |both {o} and {p} should be put {t}, please|bring {o} {t} along with {p}
        |move {o} and then {p} carefully {t}|{o} and {p}, both {t}, now|get {o} {t}, {p} too, hurry
        |{o}, {p}, {t}, quick|i need two things {t}: {o} and {p}|shove {o} and {p} {t}, no time
        |come on, {o} {t} and {p} with it|um put {o} and uh {p} {t}|hey robot move {o} and {p} {t} thank you
        |okay so {o} goes {t} and {p} goes there too|take both of them {o} and {p} and bring them {t}
        |please you put {o} with {p} together {t}|{o} plus {p} {t} please|{o} + {p} {t}|{o} and {p}, both {t}
        |two parts {t}: {o}, {p}|transfer {o} plus {p} {t}|{o} {t}, {p} same destination
        |double transfer: {o} and {p} {t}|get {o} and {p} over {t}, both of them
        |take {o} {t}, and {p} along with it|shift the two of them, {o} and {p}, {t}|{o} and {p} both go {t}, lads
        |stick {o} {t} and then {p} as well|i want {o} {t}, and {p} right next to it
        |please transport both {o} and {p} {t}|could you relocate {o} as well as {p} {t}?
        |the goal is to have {o} and {p} moved {t}|for this trial we need {o} {t} and likewise {p}
        |do a sequential pick-and-place {t} of {o} and {p}|first {o}, then {p}, each of them {t}
        |move {o} together with {p} {t}, now|{o} and {p} will be deployed {t}|bring {o} {t}, {p} follows
        |two targets, {o} and {p}, take both {t}|{o} proceeds {t}, {p} does the same
        |deliver {o} and {p} {t} at once|pls put {o} n {p} {t}|can u bring {o} and also {p} {t}|{o} & {p} {t} pls
        |put {o} {t} pls and {p} 2|u move both {o} and {p} {t} ok|hey take {o} {t}, same for {p} thx
        |please to put {o} and also {p} {t}|you must bring both, {o} and {p}, {t}
        |{o} together with {p} please {t} lay|i want that {o} and {p} go {t}|can you carry for me {o} and {p} {t}?
        |now two things: {o} and {p}, we put them {t}|take {o}, take {p}, and both put {t}
        |first {o} and then {p}, the two of them go {t}|excuse me, could you place {o} plus {p} {t}?
        |{o} and {p}, both should be put {t}|lay {o} {t} and with it {p}
        |not only {o}, but {p} also, please bring {t}|make that {o} with {p} come {t}
        |{o} goes {t}, {p} goes also there|do the moving of {o} and {p} {t}
        |two objects please {t}, it is {o} and {p}|i would like {o} and {p} {t}, thank you
        |let us set {o} and next {p} {t}, slowly|so {o} as {p} please put {t}
        |put {o} {t}, after this {p} in same place|be so kind, {o} and {p} have to come {t}
        |sorry, i need {o} and {p} {t}|my wish: {o} and {p}, the both, {t}|transport {o} and {p} {t}, my friend
        |you take {o} {t} and you take {p} there too|hello robot, {o} and {p} must to go {t}
        |today you bring {o} and {p} {t}, one after other|please leave {o} and {p} {t} for me
        |{o} and {p}, put these two {t}|lay please {o} as well as {p} {t}
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
        |would you be so kind as to stack {o} on {p}|we'd like {o} to sit on top of {p}, if we may
        |dear robot, please rest {o} upon {p}|could you kindly lay {o} on {p} for us?
        |my wife wonders if {o} might be set on {p}, please|if it's no trouble, pop {o} on top of {p}
        |can you make a tower with {o} on {p}?|put {o} on {p} like a tower|build it up, {o} goes on {p}
        |robot can you put {o} on the top of {p} please|let's make a tower, {o} on top of {p}
        |please place {o} on {p} carefully|i need {o} on {p}, please|{o} should rest on {p}, thank you
        |gently set {o} down on {p}|position {o} on top of {p} for me|would you lay {o} over {p} so it sits on it?
        |{o} on {p}, now|stack it, {o} on top of {p}, quick|{o} goes on {p}, come on
        |get {o} on top of {p}, i haven't got all day|pile {o} on {p}, fast|on {p}, put {o} there
        |um stack {o} on top of {p} please|hey robot take {o} and set it on {p}
        |okay so {p} stays down and {o} goes on it|uh i want {o} stacked onto {p}|please to make {o} stand on {p}
        |on top of {p} please set {o}|{o} on {p}|stack: {o} top, {p} bottom|{o} on top of {p}, assemble
        |base {p}, top part {o}|tower: lower {p}, upper {o}|mount {o} on {p}|pile {o} up on {p}
        |stick {o} on top of {p}, gently|{p} stays below, {o} goes on top of it
        |get {o} up on {p}, mind it does not fall|load {o} onto {p}|sling {o} onto {p}, nice and straight
        |please stack {o} onto {p}|could you place {o} atop {p}?|the target configuration is {o} resting on {p}
        |let us build a tower with {p} as the base and {o} above|i would like {o} to be supported by {p}
        |execute stack with {o} as upper and {p} as lower object|{o} takes position on top of {p}
        |set {o} atop {p}, now|you will stack {o} upon {p}|mount {o} atop {p} without delay
        |{p} is the base, put {o} upon it|elevate {o} onto {p}|pls put {o} on {p}|can u stack {o} on {p}
        |{o} on top of {p} pls|put {o} over on {p} so it sits on it|i want {o} on {p} thx|u stack {o} on {p} plz
        |please to put {o} up on {p}|you must lay {o} on top from {p}|{o} please on {p} stack
        |i want that {o} stands on {p}|can you build for me {o} over {p}, like tower?
        |now we set {o} very carefully on top of {p}|take {o} and put it on {p}
        |{o} should to sit on the top of {p}|on {p} please put {o}|make small tower, {p} is down and {o} is up
        |{p} stays below, {o} comes on top|excuse me, could {o} go on {p}?|lay {o} up onto {p}
        |do stacking: {o} onto {p}|i would like to see {o} standing on {p}
        |first pick {o}, after this stack it on {p}|{o} has to lie on {p}|let us build, {o} goes on {p}
        |place above {p} the other thing, {o}|on the head of {p} you put {o}|be so kind and set {o} onto {p}
        |sorry, {o} i want on {p}|pile {o} on top {p}, my friend|hello, please {p} under and {o} on top of it
        |today exercise, stack {o} upon {p}|it would be nice if {o} on {p} would stand
        |you could balance {o} on {p}, yes?|carry {o} to {p} and lay it on top|on top of {p} i need {o}
        |{o}, lift it and leave it on {p}|okay folks, watch this, {o} is going right on top of {p}
        |so, um, why don't you stack {o} onto {p} for us?
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
        |would you be so kind as to clear the whole table, all of it {t}
        |my dear, please tidy everything away {t}, we are expecting guests
        |if you would, kindly put all that is on the table {t}
        |we'd be so grateful if the table were empty and everything {t}
        |could you clear the table for us and lay everything {t}?
        |might everything on the table be moved {t}, please?|can you tidy up and put all the things {t}?
        |tidy up time, everything goes {t}|all the stuff on the table has to go {t}
        |robot clean the table and put everything {t} please|i have to tidy up, can you put everything {t}?
        |put it all {t} so the table is empty|please clear the work surface, everything {t}
        |everything on the table should be placed {t}, please|the table must be empty, transfer everything {t}
        |i need the table cleared, put all items {t}|please tidy all objects away {t}
        |let's have a clean table, everything {t}, please|clear down, everything {t}, now
        |get everything off the table, put it {t}, quick|i need the table free, all of it {t}
        |everything {t}, move it|table's a mess, shove the whole lot {t}
        |all this clutter on the table, put it {t}, hurry|okay um clear the table and put everything {t}
        |hey robot move everything that's on the table {t}|so uh clean up the table all of it goes {t}
        |put every single thing from the table {t} thanks|please you clean table, all things {t}
        |whatever lies on the table, bring it {t}, every last thing|table: all parts {t}
        |complete clearing, everything {t}|all items on table {t}|table empty, contents {t}
        |total transfer of all objects {t}|full table clearance {t}|shift is over, get the whole lot {t}
        |clear this table, lads, everything {t}|i want that table bare, all of it {t}
        |take everything off the table and bring it {t}|pack up, whatever lies on the table goes {t}
        |move the entire lot from the table {t}|please clear the workspace by moving every object {t}
        |could you transport all objects on the table {t}?|to reset the scene, put everything {t}
        |the table should be empty afterwards, so bring all items {t}
        |let us clean up the scene, every single object {t}
        |perform a full clearing of the tabletop, all objects {t}|evacuate the table, everything {t}
        |all objects on the table are to be withdrawn {t}|sweep the table clean, bring all you find {t}
        |nothing remains on the table, everything goes {t}|clear the field, all items {t}, now
        |remove everything from the table {t} at once|pls clean table, all stuff {t}|can u put everything {t}
        |all things from table {t} pls|make table empty, put all {t} thx|u clear table now, everything {t} ok
        |put whole stuff on table {t} plz|please to make table empty, all things {t}
        |all what lies on table, put {t}|i want that table is free, bring everything {t}
        |everything from the table please {t} lay|you must clean the table, all objects go {t}
        |can you put for me all the things of the table {t}?
        |now, children, we clear the table and everything comes {t}
        |on the table should be nothing more, all {t} please|excuse me, could you bring all from table {t}?
        |take every thing that is in the table and put it {t}|table must be clean, so everything {t}
        |the whole stuff on the table has to come {t}|make order on table, lay everything {t}
        |let us tidy up, all the things on the table go {t}|empty please the table, {t} with everything
        |all objects on table, one after other, {t}|do the cleaning of the table, move all things {t}
        |i would like an empty table, carry it all {t}|free the table and put all what is there {t}
        |what is on the table, whatever it is, bring it all {t}|sorry, all this on the table, please put {t}
        |be so kind, clear up table and transport all {t}|nothing should stay on table, everything must to go {t}
        |lesson is over, put all objects from the table {t}|my friend, collect all from the table and put {t}
        |tidy table please, every object goes {t}|hello, the table is full, bring everything {t} please
        |remove all things from table {t}|each object which you see on the table, lay it {t}
        |no object can stay on the table, take them all {t}
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
        |would you kindly sort these for us, the {a} {t} and the {b} {u}
        |we like our {a} {t} and our {b} {u}, if you please|dear, could you put the {a} {t} and the {b} {u}?
        |if it isn't a nuisance, please place the {a} {t}, and lay the {b} {u}
        |my husband would like the {a} put {t} and the {b} put {u}
        |be so good as to sort them out, {a} {t} and {b} {u}
        |can you sort the things, the {a} go {t} and the {b} go {u}?|{a} go home {t} and {b} go home {u}
        |put {a} {t} and then put {b} {u}|robot all the {a} have to go {t} and all the {b} {u}
        |let's play sorting, {a} {t}, {b} {u}|i want the {a} {t} and i want the {b} {u}
        |please separate them: {a} {t}, {b} {u}|the {a} should be placed {t}, the {b} {u}, please
        |sort these for me, please, {a} {t} and {b} {u}|i need the {a} {t} and the {b} {u}
        |kindly transfer {a} {t} and {b} {u}|keep them apart, {a} {t} and {b} {u}
        |sort this lot, {a} {t}, {b} {u}, quick|get the {a} {t} and the {b} {u}, hurry
        |it's chaos here, {a} {t} and {b} {u}|all {a} {t}, all {b} {u}, now
        |come on, split them up, the {a} {t}, the {b} {u}|um sort everything so {a} go {t} and {b} go {u}
        |hey robot move the {a} {t} and move the {b} {u}
        |okay so the {a} should go {t} and uh the {b} should go {u}
        |first bring all the {a} {t} then bring all the {b} {u}|please to sort, {a} {t} and also {b} {u}
        |every one of the {a} {t}, while the {b} belong {u}|{a} {t}; {b} {u}|sorting: {a} {t}, {b} {u}
        |separation, {a} {t} and {b} {u}|{a}: {t}. {b}: {u}|two classes, {a} {t}, {b} {u}
        |batch one {a} {t}, batch two {b} {u}|right, {a} go {t} and {b} go {u}, get sorting
        |split the goods, {a} {t}, {b} {u}|get all the {a} {t}, and then all the {b} {u}
        |sort this mess, {a} over {t} and {b} over {u}|keep them apart: {a} {t}, {b} {u}
        |please partition the objects, {a} {t} and {b} {u}
        |could you sort the scene so that {a} end up {t} and {b} {u}?|the sorting rule is {a} {t} and {b} {u}
        |all {a} should be moved {t}, whereas all {b} should be moved {u}
        |for this task bring {a} {t} while {b} go {u}|classify the items and place {a} {t}, {b} {u}
        |{a} proceed {t}, {b} proceed {u}|divide them: {a} {t}, {b} {u}|all {a} {t}, all {b} {u}, carry out
        |separate the groups, send {a} {t} and {b} {u}|deploy the {a} {t} and the {b} {u}
        |you will bring every one of the {a} {t} and every one of the {b} {u}|pls sort, {a} {t} n {b} {u}
        |can u put {a} {t} and {b} {u}|{a} {t} and {b} {u} pls|u sort stuff ok, {a} {t}, {b} {u} thx
        |put {a} {t} but {b} {u} plz|hey make order, all {a} {t}, all {b} {u}|please to sort, {a} {t} and {b} {u}
        |the {a} should go {t}, but the {b} {u}|i want that the {a} come {t} and the {b} come {u}
        |{a} please {t} lay, {b} please {u} lay|you must bring {a} {t}, and {b} you bring {u}
        |now we sort: first the {a} go {t}, then the {b} go {u}|can you separate for me, {a} {t}, {b} {u}?
        |take the {a} {t}, the {b} take {u}|make order please: {a} {t}, {b} {u}
        |excuse me, could you put {a} {t} and all {b} {u}?|all {a} have to come {t}, all {b} have to come {u}
        |the {a} to be put {t}, the {b} to be put {u}|divide things, so {a} are {t} and {b} are {u}
        |where the {a} go? {t}. and the {b} {u}. please sort
        |listen good, the {a} belong {t}, while the {b} belong {u}|{b} {u} please, and {a} {t}
        |separate them, the {b} {u} and the {a} {t}|i would like {a} {t}, and {b} i would like {u}
        |lay {a} {t}, but lay {b} {u}|sorting exercise: {a} go {t}, {b} go {u}, take your time
        |sorry, must be {a} {t}, {b} {u}, you sort please|every of the {a} {t}, every of the {b} {u}
        |do sorting of table, the {a} {t}, the {b} {u}|be so kind and split, {a} {t} and then {b} {u}
        |if you see {a}, put them {t}, if you see {b}, put them {u}|my friend, {a} go {t} and also {b} go {u}
        |carry {a} {t}, after this carry {b} {u}|hello, i want it sorted, {a} {t} and {b} {u}
        |two groups: the {a}, they go {t}, and the {b}, they go {u}|with {a} you go {t}, with {b} you go {u}
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
        |kindly transfer all {a} {t}|would you be so kind as to put all the {a} {t}
        |we would like every one of the {a} {t}, please|dear, might all our {a} be placed {t}?
        |if you wouldn't mind, bring all of the {a} {t}|could you gather the {a} and set them {t} for us?
        |my wife wants all the {a} {t}, thank you kindly|can you put all the {a} {t}?
        |all of the {a} want to go {t}|robot put every one of the {a} {t} please|i want all {a} {t}
        |take all the {a} and put them {t}|the {a} have to go {t}, all of them|please transfer all {a} {t}
        |all {a} should be placed {t}, please|i need every one of the {a} moved {t}
        |collect all the {a} and lay them {t}|see to it that all of the {a} are moved {t}
        |please bring the {a} {t}, each and every one|all {a} {t}, now|get those {a} {t}, all of them, quick
        |{a}, the whole lot, {t}|shove all the {a} {t}, hurry up|every last one of the {a} {t}, come on
        |i need all the {a} {t} yesterday|um move all of the {a} {t}|hey robot all the {a} should go {t} thanks
        |okay so grab all the {a} and put them {t}|uh place all {a} {t} please
        |please to bring all {a} which are there {t}|{a} {t}, all of them without exception|{a}, all, {t}
        |all {a} {t}|{a}: complete batch {t}|transfer of all {a} {t}|total quantity of {a} {t}
        |every unit of the {a} {t}|get the {a} {t}, every last one|round up all the {a} and take them {t}
        |i want all of the {a} {t}, none left behind|the whole lot of {a} goes {t}|ship all {a} {t}, lads
        |collect the {a} and shift them {t}|please move all instances of {a} {t}
        |could you transport each of the {a} {t}?|for all {a} on the table, do a pick-and-place {t}
        |the task is to bring all {a} {t}|we need the complete set of {a} {t}
        |gather all the {a} {t}, one after another|all {a} fall back {t}|deploy all {a} {t} at once
        |{a} are to be assembled {t}, without exception|withdraw every one of the {a} {t}
        |no {a} stay behind, take all of them {t}|you will bring each and every one of the {a} {t}
        |pls put all {a} {t}|can u move all {a} {t}|all {a} {t} pls thx|u take every of {a} {t} ok
        |{a} need go {t}, all of them plz|hey bring {a} {t}, all|please to put all the {a} {t}
        |all {a} please {t} lay|i want that all {a} go {t}|you must bring every {a} that you see {t}, all of them
        |the {a}, all of them, should come {t}|can you carry for me all {a} {t}?
        |now we collect all the {a} and put them {t}|take all of the {a} and leave them {t}
        |excuse me, could all the {a} go {t}?|each one of the {a} must to be {t}|make that the {a} all are {t}
        |do you see {a}? bring all {t}|lay all what are {a} {t}|i would like all the {a} {t}, thank you
        |{a}, put them all {t}|let us set all {a} {t}, one by one|the whole {a} move {t}
        |all the {a} together please {t}|sorry, {a} i want {t}, all
        |no one of the {a} is forgotten, they all go {t}|transport the {a} {t}, really all
        |be so kind and gather every one of the {a} {t}|find the {a} and lay them all {t}
        |hello, all {a} have to come {t}|my friend, bring {a} {t}, please all
        |see the {a}? please all of them go {t}|every {a} without exception {t} please
        |your task for today: all {a} {t}|those {a}, all, you drop {t}|pick all {a}, one after other, and put {t}
        |okay folks, let's get all the {a} {t}|so, um, every single one of the {a} goes {t}, how about that
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
        |would you kindly tell us how many {a} there are?|dear, how many {a} do you see there?
        |might we ask you the number of {a}?|if you'd be so good, please count the {a} for us
        |we can't see so well any more, how many {a} are there?|my wife would like to know how many {a} we have
        |can you count the {a}?|count all the {a} please robot|how much {a} are there?
        |one two three, how many {a} is it?|please give me the number of {a}|i need a count of the {a}
        |how many {a} do we have altogether, please?|please check how many {a} there are
        |could you count the {a} for my notes?|tell me the total number of {a}|how many {a} have i got, quick?
        |give me a count, {a}|number of {a}, now|quick, count me the {a}|how many {a} altogether, come on?
        |um how many {a} are there|hey robot count the {a} for me|okay tell me how many {a} you can find
        |uh what's the total of {a}|can you say me how many {a} there is?|i'd like to know the number of {a}
        |{a}: quantity?|count of {a}, please report|inventory {a}|quantity of {a}, report
        |give me a head count of the {a}|stock check, how many {a} do we have?|what is the tally of {a}?
        |run the numbers on the {a} for me|how many {a} are in the place altogether?
        |what is the cardinality of the set of {a}?|could you tell me how many {a} you detect?
        |please estimate the number of {a} in the scene|how many instances of {a} are there in total?
        |i would like to know the count of {a}|according to your perception, how many {a} exist here?
        |report strength of the {a}|what is our number of {a}?|give me the exact number of {a}
        |how many {a} do we have in the field?|number off the {a}|state the total of {a}|how many {a} u see?
        |pls count {a}|can u tell how many {a}|{a} how much are there?|how many {a} we got
        |u know number of {a}? pls tell|how much {a} there are?|please to count all {a}
        |can you tell me how many {a} it gives here?|i want to know number of {a}|how many are {a}?
        |now we count together, how many {a} have we?|count for me the {a} please
        |excuse me, how many of {a} you have?|say me the number of all {a}|what number of {a} is here?
        |there are how many {a}?|do you know how many {a} are in total?|make counting of {a}
        |would you please count how many {a} exist here?|who can tell me how many {a} there are?
        |tell to me quantity of {a}|i would like to know how many {a} do we have|what is total of the {a}?
        |the {a}, please count them all|let us see, how many {a} are here?|sorry, {a}, what is their number?
        |give me please the count from {a}|look good and then say how many {a} you can find
        |how big is the number of {a}?|one, two, three, count the {a} with me|how many {a} has it?
        |altogether how many {a}, please?|my friend, you see how many {a}?
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
        |the {p}, how many things are in it?|would you kindly tell us how many things are in the {p}?
        |dear, how many objects do we have in the {p}?|might you count what lies in the {p} for us?
        |we would like to know how many items are in the {p}, please
        |if it's no trouble, please count the things in the {p}
        |my husband asks how many objects there are in the {p}|can you count the things in the {p}?
        |how many things are inside the {p}?|how many toys are in the {p}?
        |how many things can you find in the {p}?|robot count what's in the {p} please
        |do you know how many things there are in the {p}?|please give me the number of items in the {p}
        |i need a count of everything in the {p}|how many items does the {p} contain, please?
        |please check how many objects are in the {p}|could you tell me how many things the {p} holds right now?
        |number of objects in the {p}, please|{p}, how many in there?
        |how much stuff is in the {p}, give me a number|quick, how many in the {p}?|count the {p}, now
        |how many have i got in the {p}?|what's in the {p}, just the number, hurry
        |um how many objects are in the {p}|hey robot tell me how many things are in the {p}
        |okay count everything that is in the {p} for me|uh what's the number of things in the {p}
        |how many thing is there in the {p}?|in the {p}, how many objects can you see?|{p}: quantity?
        |contents of the {p}, number?|{p}, fill count?|part count in {p}|number of pieces, {p}
        |{p} inventory, how many pieces?|how many pieces have we got in the {p}?
        |what is the stock in the {p}, how many items?|do a count on the {p} for me
        |check the {p}, how many items are in there?|how full is the {p}, how many things?
        |tell me how much stuff lies in the {p}, i need a number
        |what is the cardinality of the object set in the {p}?|could you count the items contained in the {p}?
        |how many detected objects are located in the {p}?|please report the number of objects inside the {p}
        |i would like to know how many objects the {p} contains
        |what is the current occupancy of the {p}, in objects?|report the number of items in the {p}
        |how many objects are held in the {p}?|state the object count of the {p}
        |give me numbers on the {p}, how many objects?|count what is in the {p} and report
        |strength of the {p}, in objects?|how many things in {p}?|pls count stuff in {p}
        |can u see how many is in {p}|{p} has how many things?|what number of things u have in {p}
        |u tell me how many objects in {p} pls|how much objects is in the {p}?
        |in the {p}, how many things there are?|please to count what is inside the {p}
        |how many pieces lies in the {p}?|can you tell me how many objects the {p} has?
        |i want to know number of things in the {p}|look in the {p}, how many objects do you see?
        |now we count things in the {p}, how many are they?|excuse me, how many items you have in the {p}?
        |say me how many things are in the {p}|the {p}, how many objects it contains?
        |inside of the {p} are how many objects?|what number of objects has the {p}?
        |count for me all objects that are in the {p}|how many is there in the {p}?
        |do you know how many things the {p} holds?|make counting of the things in the {p}
        |tell me please quantity of objects at the {p}|how many objects are laying in the {p}?
        |who can say how many things are in the {p}?|i would like to know, the {p} has how many objects inside?
        |the things in the {p}, please count them|sorry, in the {p}, what is number of objects?
        |let us look into the {p}, how many things are there?|give me count of everything in the {p}
        |how many objects did somebody put in the {p}, you can count?|my friend, how many stuffs are in the {p}?
        |with the {p}, how many items in it?|how full is the {p}, i mean how many objects?
        |total of objects in the {p}, please|so folks, what's the score, how many things are in the {p}?
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
        |any idea where {o} might be?|i want to know where {o} lies|would you kindly tell us where {o} is?
        |dear, have you seen where {o} is?|we seem to have mislaid {o}, where might it be?
        |might we ask where {o} is lying, please?|my wife is looking for {o}, do you know where it is?
        |if you'd be so good, show us where {o} is|where's {o}?|i can't find {o}, where is it?|do you see {o}?
        |robot where did {o} go to?|where is {o} hiding?|can you look where {o} is please?
        |please tell me where {o} is at the moment|i need to know where {o} is|could you locate {o} for me?
        |in which place is {o}, please?|please find out where {o} lies|can you tell me the location of {o}?
        |where the devil is {o}?|quick, where have i left {o}?|find {o}, where is it?
        |i need to know now, where's {o}?|who can see {o}, where is it?|um where is {o}
        |hey robot tell me where to find {o}|okay so where exactly is {o} right now|uh do you know where {o} is
        |can you say me where is {o}?|{o} is where, please?|{o}: location?|position of {o}?|{o}, where?
        |coordinates of {o}, report|location query {o}|whereabouts of {o}?|where have you put {o}?
        |where on earth is {o}?|has anyone seen {o}, where is it?|show me where {o} has got to
        |what is the current pose of {o}?|could you localise {o} for me?
        |please report the estimated position of {o}|where in the scene is {o} located?
        |do you detect {o}, and if so where?|i would like to know where {o} is at the moment
        |report the position of {o}|give me the location of {o}|locate {o} and report|where is {o} stationed?
        |what is the whereabouts of {o}, over?|state where {o} stands|where {o}?|pls tell where is {o}
        |can u find {o}?|u see {o}? where|do u know where {o} is|hey where u have {o} now|where {o} is?
        |where is it lying, {o}?|please to tell me where is {o}|i can not find {o}, where it is?
        |excuse me, where can i see {o}?|{o}, where is?|say me where stands {o}|on which place is {o}?
        |in what place {o} now?|i am looking for {o}, can you help?|now look carefully, where do you see {o}?
        |show me please where {o} lies|sorry, how do i get to {o}?|i search {o}, where is it?
        |have you seen {o} somewhere?|where we have {o}?|what is the position from {o}?|is {o} here, and where?
        |can you tell to me the place of {o}?|who can tell me where {o} is?|where did {o} stay?
        |i would like to know where {o} is|where finds itself {o}?|let us search together, where is {o}?
        |my friend, {o} is where?|find for me {o}, i only want to know where|give me location of {o}
        |you see {o}? where?|at what place can one find {o}?|so folks, the mystery of the night, where is {o}?
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
        |is something standing somewhere else than before?|would you kindly tell us what has been moved?
        |dear, which thing is no longer where it was?|might we ask what somebody has moved?
        |we have the feeling something was moved, what is it?
        |my husband says something was shifted, which one, please?
        |if you don't mind, please say which object has changed its place|what did they move?
        |can you guess which thing was moved?|what thing is in a different place now?
        |somebody moved something, what is it?|robot which one moved?|do you know what was moved?
        |please check which item has been moved|which item has changed position, please?
        |i need to know what was moved|please tell me which object is not in its old place
        |has something been moved, and what?|could you see which object was repositioned?
        |who's been at my table, what did they move?|what's been shifted, quick?
        |something's been moved, tell me what|what is not where i left it?|which one got moved, come on?
        |what's in another spot now?|um what was moved|hey robot which object has been moved
        |okay so tell me what changed its position|uh which thing did somebody move|what thing have they moved?
        |say which object moved|displaced object?|moved part, which?|position change, which item?
        |object with changed position, report|displacement check: which part?|which part shifted?
        |who has been messing about, what did they move?|which one has been shifted?
        |something has been moved here, what is it?|what is not standing where it stood before?
        |tell me which thing somebody shifted|what got moved while i was away?|which object has changed its pose?
        |could you tell me which object was displaced?|please identify the object that has been moved
        |compared to the previous scene, what has moved?|which item is at a different position than before?
        |what was relocated since the last observation?|report which object has changed position
        |which object has been repositioned?|what has shifted on the field, report|state what was moved
        |which one left its position and stands elsewhere now?|what moved?|which thing somebody moved
        |u see what was moved?|can u tell what thing is moved|pls say what got moved
        |what one is not at same place as b4|what thing was moved?|which object has somebody moved?
        |please to say which thing is moved|which one is now in other place?|can you tell me what was moved here?
        |what object is not more on its old place?|something was moved, what was it?
        |i want to know what somebody has moved|look carefully, which object has moved?
        |excuse me, what is it that was moved?|what they have moved on the table?
        |which thing stands now somewhere else?|somebody moved a thing, which?|do you see what object moved?
        |say me what was shifted|which of objects changed position?|moved was what?
        |tell to me which thing went to other place|what is not where it was before?
        |has been moved some object, which one?|what was pushed away from its place?|did something move? what?
        |find please the thing that got moved|what object did change the place?|sorry, which one they moved?
        |now think, what lies in a different place than before?|my friend, what has been displaced?
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
        |would you be so kind as to put the moved thing back where it was
        |dear, could you return it to its old place, please?
        |we would like the object that was moved back in its spot, if you please
        |if it is not too much trouble, set it back where it stood before
        |my wife prefers it where it was, kindly put it back|might you undo that last move for us?
        |can you put it back where it was?|put the thing that moved back to its place
        |it has to go back where it was before|robot make it like before please|i want it back where it was
        |can you put the moved one back again?|please return the moved item to its original position
        |the moved object should go back where it was, please|please restore the moved object to its place
        |i'd like it back in its old position|kindly reverse the last move|back where it was, now
        |it was fine where it was, put it back there|get the moved thing back in its place, quick
        |undo that move, come on|whatever was moved, back it goes|hey robot undo the last move
        |okay so bring the moved object back to its old spot|uh return the thing that was moved to where it was
        |please to bring it back at the old place|what has been moved should go back
        |moved part, return to old position|return of displaced object|restore original position
        |displaced part back|old position, restore|moved item, reset to prior place
        |shift it back where it came from|that one somebody moved, get it back in its place
        |put the thing that was shifted back where it stood|undo that shift|whatever has been moved, back it goes
        |set it right again, back to its old spot|please return the displaced object to its initial pose
        |could you revert the displacement?|restore the moved object to its previous position
        |move the relocated item back to its original location
        |let us undo the perturbation, put the moved object back|return the displaced object to its post
        |restore the former position at once|the moved object goes back to its old position, now
        |send what was moved back to its place|reverse the displacement
        |have the moved object resume its original position|pls put back thing that was moved
        |can u put it back where it was b4|move it back pls|undo move pls|thing that got moved, u put it back ok
        |put it back to old place thx|please to put back the thing that was moved
        |the moved object please back on its place lay|i want that the moved thing comes back
        |put again in its place what was moved|return moved object to where it was
        |can you bring back the object which they moved?|what was moved, put it back|make the move back
        |bring back to old place what somebody moved
        |excuse me, could you put the moved one back where it was before?
        |now we put the moved object back to its old place|the thing what moved must to go back
        |you should return it to place from before|do it back like it was before the moving
        |set the moved thing there where it was first|lay back please the object that has been moved
        |it was moved, so please return it|undo please the moving|take the object that was shifted and put it back
        |i would like to have moved object again in its first place|put it to back in its original position
        |sorry, bring it back where it stood before|somebody moved something, you put it back
        |give the moved thing its old place again|let us return the object that was moved
        |move back what they have moved|everything as before, please, return the thing that was moved
        |the object which changed place, put back|carry back the moved piece to where it has been
        |my friend, put back this what was moved
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
        |would you kindly tell us what is missing?|dear, what is no longer on the table?
        |might we ask whether anything has gone missing?|we have a feeling something is gone, what could it be?
        |my husband thinks something has been taken, which thing, please?
        |if you'd be so good, tell us which object has disappeared|what isn't there any more?
        |did something disappear, what?|what did they take away?|somebody took something, what is it?
        |robot which thing is gone?|can you guess what's missing?|please check what is missing
        |which item is missing, please?|i need to know what has been removed
        |please tell me which object is no longer here|is an item missing, and which one?
        |could you see what was taken away?|who's pinched something, what's gone?|what's missing, quick?
        |something's gone, tell me what|what did i have here that isn't here now?|which one's been nicked?
        |what have they taken off the table?|um what is missing|hey robot which object has been taken away
        |okay so tell me what's gone|uh what was here before and is not here now
        |what thing is lost from the table?|say which object has vanished|missing part?|absent item, which?
        |shortage, which piece?|loss check: what is missing?|removed object, report|which part missing?
        |what has walked off?|which one have we lost?|somebody has taken something, what is it?
        |what is no longer there?|tell me what we are short of|what has disappeared on us?
        |which object is no longer in the scene?|could you tell me which object has been removed?
        |compared to the previous observation, what has disappeared?|which item can you no longer detect?
        |what has vanished since the last scan?|report any losses, what is missing?|which object is absent?
        |what is missing from the ranks?|state what has been removed|which one has left the field?
        |identify what has been taken away|what is gone now|which thing not there anymore?|u see what is missing?
        |can u tell what somebody took|pls say what is gone|something not here anymore, what?
        |what is not here anymore?|which thing is missing?|what misses on the table?|what is away?
        |which object is not more there?|please to say what is gone|what thing has disappeared?
        |something is missing, what is it?|what lacks here?|which one was taken?
        |can you tell me which object is gone?|look carefully, what is not there any more?
        |excuse me, what has been removed?|which thing somebody took?|what is lost?|what do we not have anymore?
        |do you see what is missing?|who can tell me what has gone?|is some object missing, which?
        |say me what they removed from table|tell to me which thing is not here now
        |what was here before and now is not?|gone is what?|find out please what is missing
        |what object did go away?|sorry, what is fehlen, missing?|my friend, which thing has vanished?
        |has somebody taken something? what?|so folks, somebody has left the stage, what's missing?
        |well, you know, i'm curious, what has disappeared?|okay, um, tell the audience which thing is gone
        |now, i gotta ask, what isn't here anymore?|and the object that vanished is, drumroll?
        |alright, who took something, and what did they take away?|ugh, what's missing?|dude what's gone
        |like, which thing isn't here anymore?|bro somebody stole something, what was it
        |just tell me what disappeared already|is something missing or what?|what got taken, come on
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
        |what did someone add to the table?|would you kindly tell us what is new on the table?
        |dear, what has been put there that was not there before?|might we ask whether something has been added?
        |we think something has been added, what is it, please?|my wife noticed something new, which one is it?
        |if you'd be so good, say which object has been added|what's the new thing?
        |did somebody put something new there?|what came on the table just now?
        |somebody brought something, what is it?|robot which thing is new?
        |can you guess which one wasn't there before?|please check what has been added|which item is new, please?
        |i need to know what was added|please tell me which object was not here before
        |has an item been added, and which one?|could you see what is new here?
        |who's dumped something here, what's new?|what's been added, quick?|something new turned up, tell me what
        |what is on my table that wasn't there before?|which one's new, come on?|what have they put here now?
        |um what is new|hey robot which object has been added|uh what is there now that wasn't there before
        |what new thing there is?|say which object is the newcomer|additional part?|new item, which?
        |arrival check: what is new?|added piece, report|extra object, which?|which part was added?
        |what has come in?|any new arrivals, what are they?|somebody put something extra here, what is it?
        |what have we got that was not here before?|which one has just come in?
        |which object has appeared in the scene?|could you tell me which object was added?
        |please identify the novel object|compared to the previous observation, what is additional?
        |which item was not present before?|what has appeared since the last scan?
        |report new arrivals, what has been added?|which object has joined us?|identify the newcomer
        |state which object is new|any reinforcements, which object?|what has entered the field?|what new here?
        |which thing is new|u see something new? what|can u tell what somebody added|pls say what is new one
        |something was not here b4, what is it?|what is here new?|which thing is new?|what came new on the table?
        |what did they add?|please to say what is new|what new thing is there?|something is new, what is it?
        |which object was not here before?|what has come to it?|can you tell me which object is added?
        |look carefully, what is there now that was not there before?|excuse me, what new do we have?
        |i want to know what somebody has added|which one they put new?|do you see new object? which?
        |say me what thing appeared|new is what?|tell to me which object came|is there some new thing?
        |what object is the new?|what have we more than before?|which thing somebody brought here?
        |find please the new object|what has been newly put on table?|sorry, what is added?
        |my friend, what is new on the table?|has somebody added something? what?
        |what is it that has arrived on the table?|which thing was put here in addition?
        |so folks, we have a surprise guest tonight, what's new here?
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
        |on second thought, {t} please|oh dear, we meant {p}, so sorry|forgive us, would you use {p} instead?
        |if you please, make it {p} after all|my husband says {p} would be better
        |we beg your pardon, it should go {t}|might it go {t} instead, dear?|no, i want {p}|not there, {t}
        |can it go {t} instead?|oops i meant {p}|i changed my mind, put it {t}|correction, {p}, please
        |please change that to {p}|it should rather go {t}, please|sorry, i'd prefer {p}
        |please take {p} as the destination instead|actually it belongs {t}|wrong place, {p}
        |not that one, {p}, come on|no, i said {t}|change of plan, {t}|forget that, {p}
        |are you listening, it goes {t}|um no make that {p}|wait sorry {p} i mean
        |actually hang on put it {t} instead|okay scratch that it should go {t}|better is {p} please
        |i wanted to say {t}|correction, destination {p}|target change: {p}|{p}, not the other place
        |new destination {p}|destination wrong, correct one {p}|change: place {t}|no no, {p}, i said
        |hold it, that goes {t}|wrong spot, make it {p}|scrap that, take it {t}|not there, lads, over {t}
        |changed my mind, {p} it is|sorry, the goal location should be {p}
        |actually, could you use {p} as the target?|please change the target to {p}|i meant {t}, my mistake
        |let us replace the destination by {p}|on second thought, rather move it {t}|belay that, {p}
        |new orders: {t}|redirect it {t}|change of plan, the destination is {p}|negative, go {t} instead
        |divert, {p} is the new target|no pls {t}|sorry i mean {p}|can u do {p} instead|oops not there, {t} pls
        |i want {p} instead ok|u better put it {t}|no no, please {t}|i mean {p}|better is {p}
        |sorry, i wanted to say {p}|it should go {t}, not there|no, must be {p}|please to use {p}
        |excuse me, my mistake, it goes {t}|i wanted {t}, not that place|wrong place, right is {p}
        |rather {t}, please|take {p} for it, not the other|put it better {t}|not so, we do it {t}
        |ah no, i have said wrong, {t} please|listen again, it goes {t}|change it, please {p}
        |other place please, {p}|it has to come {t} instead|instead of this, {p}|i prefer {p}|no my friend, {t}
        |more better {p}|hm, that is not quite right, we want {p}|i think {p} is the right place
        |but {t} please, not there|i changed my mind, i want it {t}|the goal is {p}, not the other one
        |correction, {t}|oh, you know what, let's make it {p} instead
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
        |drop {o} from the plan and use {p} in its place|oh dear, we meant {p} and not {o}
        |forgive us, would you take {p} in place of {o}?|if you please, {p} rather than {o}
        |my wife wanted {p}, not {o}|we beg your pardon, {o} was wrong, we need {p}
        |might you use {p} instead of {o}, dear?|no no not {o}, i want {p}|i don't want {o}, i want {p}
        |oops, {p} not {o}|can you take {p} and not {o}?|{o} is the wrong one, {p} is right
        |i said it wrong, not {o} but {p}|correction, {p} instead of {o}, please|please replace {o} with {p}
        |it should be {p}, not {o}, please|i'd prefer {p} over {o}|please swap {o} for {p} in the plan
        |sorry, that should have been {p} rather than {o}|not {o}, {p}, come on|wrong one, forget {o}, get {p}
        |{p}, for crying out loud, not {o}|drop {o}, take {p}|what do i want with {o}, i need {p}
        |um not {o} i meant {p}|wait sorry i mean {p} not {o}|actually use {p} in place of {o}
        |scratch that {o} was wrong it should be {p}|please not {o} but {p} take|i was meaning {p}, it is not {o}
        |correction: {p}, not {o}|wrong part {o}, right part {p}|object change, {o} out, {p} in
        |{p} in place of {o}|error: {o}. correct: {p}|no no, leave {o}, it is {p} i am after
        |hold it, not {o}, i said {p}|wrong one, forget {o} and take {p}|swap {o} for {p}
        |{p} is what i want, not {o}|scrap {o} from the job, use {p} for it
        |sorry, i was referring to {p} rather than {o}|actually, the object should be {p} and not {o}
        |please substitute {p} for {o}|could you use {p} instead of {o}?|my mistake, {o} was wrong, i meant {p}
        |let us do that with {p} in lieu of {o}|negative on {o}, take {p}|change of target, from {o} to {p}
        |disregard {o}, {p} is the objective|belay {o}, go for {p} instead|not {o}, i repeat, {p}
        |{p} takes the place of {o}|no not {o}, {p} pls|i mean {p} not {o} sorry|can u take {p} and not {o}
        |oops {o} is wrong, {p} is right one|pls use {p} instead {o}|u got wrong one, i want {p}, not {o}
        |no, i want {p}, not {o}|not {o} i meant, but {p}|please to take {p}, not {o}
        |sorry, i said {o}, but i wanted to say {p}|{o} is wrong, {p} is right|instead from {o} you take {p}
        |in place of {o} please use {p}|no no, {p} it should be and not {o}|excuse me, my mistake, {p} and not {o}
        |i mean {p}, {o} was wrong|it must be {p}, not {o}|not {o}, my friend, {p}|i prefer {p} before {o}
        |listen again, not {o} but {p}|wrong word, i do not want {o}, i want {p}|leave {o}, it is {p} that i want
        |do it with {p}, not with {o}|for {o} i was wrong, it is {p}|we do not take {o}, we take {p}
        |{p} please and no {o}|not {o}, i have meant {p}|rather {p} and not {o}
        |ah no, {o} is not correct, the correct one is {p}|it is not {o} what i want, it is {p}
        |who said {o}? i wanted {p}|should be {p} where you have {o}|{o} no, {p} yes
        |oh, wait, folks, not {o}, we want {p}|well, um, you know, i'd rather have {p} than {o}
        |hold on, plot twist, swap {o} for {p}|so, scratch {o}, let's go with {p}
        |tell you what, {o} is off the show tonight, {p} takes its place|no no no, the audience wants {p}, not {o}
        |ugh not {o}, {p}|dude i said {p}, not {o}|like, {p}, obviously, why would i want {o}
        |bro wrong one, use {p}, not {o}|nope, forget {o}, take {p}|omg {p} not {o}, listen
        |who said {o}? i want {p}|i wonder whether you might use {p} in place of {o}
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
        |oh, would you kindly leave {o} out?|dear, we would rather {o} stayed where it is
        |if you please, everything except {o}|my husband says {o} can stay where it is
        |please be so good as to skip {o}|we would prefer you not to move {o}|not {o}, that one stays there
        |but {o} stays here|don't take {o} please|you can do the others but not {o}
        |robot leave {o} alone in this one|i don't want {o} to go with them|please omit {o}
        |{o} should remain where it is, please|all but {o}, please|please do it without {o}
        |leave out {o} this time|there is no need to move {o}|forget {o}, i don't need it moved
        |{o} stays put, do the rest|drop {o} from the list|not {o}, come on, just the others
        |cut {o} out of the plan|um leave {o} where it is|wait don't move {o}|actually leave out {o} thanks
        |okay everything but not {o}|please {o} not to move|except for {o}, that can stay|{o}: cancel
        |exception {o}|{o} excluded|all except {o}|{o} off the list|deletion of {o} from the plan|let {o} stay put
        |forget about {o}, leave it there|skip {o}, lads|hands off {o} for now, do the rest
        |cross {o} off the job sheet|never mind {o}|please exclude {o} from the plan|could you leave out {o}?
        |actually, {o} should not be moved|let us omit {o}|remove {o} from the task sequence
        |the plan is fine, except that {o} stays in place|{o} holds its position|spare {o}
        |negative on {o}, it remains|scratch {o} from the plan|{o} stands down|stand off from {o}, it stays
        |pls not {o}|no need move {o}|can u skip {o}|dont take {o} pls|leave {o} out ok
        |u let {o} there, dont move it|but {o} please not|no {o}, please|please to leave {o} there
        |not {o}, only the others|{o} you do not take|i do not want {o} to be moved|let {o} lie
        |forget {o}, the rest is good|excuse me, {o} should stay|you must not move {o}|{o} no
        |take out {o} from the plan|sorry, {o} not|leave {o} in peace|only {o} you leave on its place
        |{o} we do not need|except {o}|all good, but skip {o}|let stay {o} on its place|with {o} do nothing
        |listen, we leave {o} alone|{o} should to remain|i have changed opinion, {o} not needed
        |my friend, {o} does not come with|please you omit {o}|remove {o} from list|do not do {o}
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
        |would you kindly do it in the opposite order?|dear, might you begin with the last one instead?
        |if you please, the other way about|we would prefer it in reverse order
        |my wife says to start from the end, please|forgive us, it should be done back to front
        |the last one has to be first|can you do it the other way around?
        |start at the end and then go to the beginning|robot do the last thing first and the first thing last
        |no, from the back to the front|please reverse the sequence|please do these in reverse order
        |the order should be the opposite, please|please begin with the last item and end with the first
        |i'd like the sequence turned round|please work from the last to the first|wrong order, turn it round
        |last one first, come on|flip the order|other way round, quick|backwards, i said, last to first
        |no, start from the bottom of the list and go up|um reverse the order|actually do it the other way round
        |wait start with the last one and go backwards|okay swap the order so the last comes first
        |please make the order opposite|turn the whole order around|sequence reversed|order: last to first
        |reverse sequence|sequence change, last step first|order inverted|steps backwards|do it back to front
        |start from the tail end and work forwards|last one first, first one last|flip the order round
        |wrong way round, begin at the end|turn the whole job sheet round, bottom to top
        |could you execute the plan in reverse order?|let us permute it, i.e. completely reverse the order
        |run the plan backwards|traverse the list from the end to the beginning
        |actually, the sequence should be inverted|reverse the line, last goes first|order of march reversed
        |the rear goes first, the front goes last|change of plan, proceed in the opposite order
        |carry it out from last to first|invert the order of execution, now|pls other order|do it in reverse pls
        |can u start with last one|u do it backwards ok|other way around plz|change order, last thing first pls
        |please to make the other order|in the reverse order, please|the order turned around
        |begin with last and finish with first|i want the contrary order
        |first the last one, and at end the first one|the last comes first|excuse me, other way around please
        |change the order, from back to front|no, the order must be opposite|from the end to the beginning
        |we start now with last thing and go to first|inverse order please|you should begin with the last one
        |order must be turned, last is now first|the same things but in reversed order
        |let us do it from last to first|order please inverted|the other way about, my friend
        |do first what is last|all backwards, please|begin by the end|not this order, the opposite one
        |the whole order back to front|it is better in the other direction, last one first
        |reverse sequence, if it is possible|oh, you know what, folks, let's do it in reverse order
        |well, um, how about we start from the end?|hold on, plot twist, do it backwards, last one first
        |so, let's flip the whole order around
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
        |would you kindly take {o} as well?|dear, might you include {o}, please?
        |if you please, {o} too while you are at it|we forgot {o}, would you be so good as to add it?
        |my husband would like {o} included as well|oh, and {o} also, thank you|and {o}|can you do {o} too?
        |{o} wants to come too|i want {o} too please|and also {o} robot|please include {o} as well
        |{o} should be added, please|please add {o} to the list|i'd like {o} with them, too
        |{o} in addition, please|one more, please, {o}|and {o}, quick|{o} as well, come on|throw in {o} too
        |you forgot {o}, take that one too|i need {o} done as well|um and also {o}|oh wait add {o} as well
        |okay and then {o} too thanks|hey robot {o} also please|please you take also {o}|same for {o}
        |{o}: additional|addition to the plan: {o}|{o} included as well|extra part, {o}|supplement {o}
        |throw {o} in as well|and while you are at it, {o}|take {o} along too|one more for the list, {o}
        |{o} goes with the lot|oh, and {o} as well, lads|could you also take {o} into account, same as the others?
        |let us append {o} to the plan|additionally {o}|the same applies to {o}|do likewise with {o}
        |{o} joins them|extend the order to {o}|further target, {o}|include {o} in the operation
        |{o} will follow along as well|add {o} to the mission|pls also {o}|and {o} 2|{o} as well thx
        |can u do {o} too|i forgot {o}, also that one pls|same with {o} ok|and please {o} also|{o} please too
        |also {o} you take|please to add {o}|i want {o} as well|with {o} the same|and {o} still|additional {o}
        |{o} comes also with|excuse me, also {o} please|take {o} with it|one more, {o}|and now also {o}, please
        |the same do with {o}|{o} should to be added|sorry, i forgot {o}, it too|and as well {o}, my friend
        |together with {o}|we need also {o}|{o} belongs also to it|include please {o}|put also {o} in the plan
        |extra please also {o}|add to it {o}|i would like {o} in addition|let us take {o} too
        |and then {o}, too, thank you|{o} too, if it is possible
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
        |finish what you started|would you kindly go on?|dear, please do continue|if you please, carry on now
        |we don't wish to hurry you, but please proceed|do keep going, you are doing splendidly
        |you may continue now, thank you|can you go on?|go robot go|more please, go on|please continue
        |please proceed with the next step|you can carry on now|please go ahead with the rest|next step, please
        |resume, please|move it, keep going|come on, get on with it|what are you waiting for, go on|and on we go
        |why have you stopped, carry on|um continue|okay go on|hey robot keep going please|alright next one
        |please to continue|cycle: continue|sequence, resume|process continuation|program, next
        |release, continue cycle|keep it moving|right, what is next on the sheet?|back to work|crack on then
        |do not stop, keep going|all good, on with it|could you continue with the plan?|you may resume execution
        |okay, let us go to the next step|resume from where you stopped|continue with the remaining actions
        |advance to the next step|resume operations|carry on as ordered|press on|as you were, continue|go on pls
        |next pls|can u continue|ok keep going|u can go further now|cont pls|go further|now continue please
        |make further|it can go on|next, please|you can continue now|and now what comes?|let us go on
        |do the next step|continue, my friend|good, and further|keep going, please|very good, now the next one
        |and next?|excuse me, please go on|follow with the work|yes, yes, continue|what we do next?|proceed please
        |now we go on with next step|i want that you continue|carry on with it please|ok, you may go on
        |do not stop, continue|what comes as next?|well done, and on we go|yalla, continue
        |please, the following step|work further|okay folks, the show must go on
        |well, um, you know, let's keep it rolling|so, what's up next?|and we're back, carry on please
        |alright, let's move on to the next one|tell you what, just keep going, i love it
        |after the break, we continue, so go ahead|ugh, keep going|dude go on|like, next|bro don't stop now
        |next one, come on|why did u stop? continue|hurry up and do the next step
        |i wonder whether you might carry on|would you be so kind as to continue?|perhaps we might proceed
        |do go on, if it's no bother|might i suggest we resume?|i should think you may proceed now
        |pray continue, old chap|keep on trucking, champ|next, please, like at the deli counter
        |don't stop now, kiddo, you're on a roll|onward and upward, buddy, next step
        |green light, sport, keep going|stop, uh, no, i mean go on|wait, er, no, sorry, do continue
        |go back, um, no, i mean go ahead with the next one|that's, uh, i mean, please resume where you left off""",
    "cannot": """sing a song for me|please wash the dishes|could you call my mother?|order a pizza
        |i'd like you to drive me home|write a letter to my boss|boil {o} for five minutes
        |would you turn on the radio?|glue {o} together|vacuum the carpet|set {o} on fire
        |would you be so kind as to make us a pot of tea?|dear, might you read the newspaper to us?
        |we would be grateful if you watered the geraniums|would you kindly wrap {o} as a present?
        |if you please, polish {o} until it shines|my wife would like {o} painted green|do my homework
        |tell me a bedtime story|can you make {o} fly?|can you eat {o}?|draw a face on {o}
        |please take the patient's temperature|please call the doctor on duty
        |please change the bed sheets in room four|please disinfect {o} with alcohol|put a bandage around {o}
        |weigh {o} for me, please|stir the soup before it burns|turn the oven down, quick|chop the onions
        |fry {o} in the pan|um call my mother|set an alarm for seven o'clock
        |hey robot send a text message to my brother|take a photo of {o} and post it online
        |sell {o} on the internet|look up on the internet what {o} costs|{o}: spray paint
        |heat treatment of {o}, 200 degrees|laser cut, {o} in halves|hole 5 mm through {o}|conveyor on
        |hall lights off|load {o} on the lorry and drive it to the customer|wrap {o} in foil and post it
        |weld {o} to the table|sweep the loading bay|call the driver for me|lock the gate tonight
        |please train a neural network on this|could you print my thesis?|write the related work section for me
        |please weigh {o} on a scale|could you 3d scan {o} and mail me the mesh?|blow up {o}|guard the entrance
        |sing the national anthem|march to the kitchen|bury {o} in the garden|pls order pizza|can u play music
        |whats weather tomorrow, look it up pls|u wash {o} with soap pls|can u eat {o}|pls send email to my boss
        |please to cook {o} for me|eat {o}, it is good|can you paint {o} with green colour?
        |{o} please in the water wash|break {o} in two pieces|i want that you throw {o} on the street
        |excuse me, how much you sell me {o}?|cut {o} with knife|send {o} with the post to my mother
        |burn {o} in the fire|paste two labels with glue on {o}|wrap {o} in paper like present
        |bring {o} to my hotel room|can you repair {o} please?|now we blow up {o} with air
        |please to call for me taxi|make photo from me and my wife and send it home|open the window, it is hot
        |cook for us a soup|excuse me, can you sing a song?|where is bus station, bring me there
        |i would like one tea with sugar|please turn light off|go out and buy bread
        |write the homework on the blackboard|dance with me, my friend|translate me this letter in polish
        |make louder the music|clean please the windows|lend to me twenty euros
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
        |i am afraid the gripper has given up, poor thing|my husband fears the arm is out of order
        |we are sorry to say the hand does not close any more|the gripper can't grab any more|the arm is kaputt
        |the robot hand is broken|the robot's arm doesn't move any more
        |please note that the gripper is out of service|the arm is defective and must not be used
        |the gripper is stuck and cannot be opened|the motor of the arm has failed|the hand of the robot is jammed
        |bloody gripper is jammed again|arm's dead|gripper's had it, don't use it|that arm won't budge
        |one of the gripper fingers has snapped off|um the gripper stopped working
        |okay so the arm is broken right now|uh the robot's motor burnt out
        |the gripper has a fault and is useless for now|the gripper is not working since this morning
        |the arm do not function|the arm has been switched off until the repair
        |the robot's hand can't hold anything at the moment|gripper: defective|gripper failure, no closing
        |arm, axis 3 jammed|motor of the arm burnt out|hand out of order|gripper drive: no function
        |arm dead since the early shift|the gripper has packed up|the arm is bust, fitter comes tomorrow
        |the hand will not close any more, lads|somebody has wrecked the gripper|the arm has seized up
        |the gripper actuator has failed|both fingers of the gripper are stuck and cannot be actuated
        |the manipulator arm is currently not operational
        |the arm's shoulder motor has overheated and shut off for good|the robot's motor is faulty
        |the gripper is out of action|arm disabled, no movement possible|the robot's hand is unserviceable
        |we have lost the use of the arm|gripper not working|arm is broken again|hand kaputt, cant grab
        |gripper doesnt open anymore|gripper is kaput|the gripper does not more close|arm is not working
        |hand of robot is broken|the gripper, it is defect|please attention, the arm is broken since today
        |motor of the robot has died|you can not use the gripper|the arm can not move itself|gripper no function
        |the fingers from gripper do not open anymore|we can not use the arm today, it is damaged
        |the robot has a broken hand|with the arm is something broken, it does not move|gripper is out of work
        |the motor of the arm is burned|robot arm stopped to work|sorry, hand of the robot does not work
        |the gripper is stuck and can not grip|listen please, nobody can use the arm now, it is broken
        |the arm has lost the power and does not react|gripper must be repaired before we can use
        |the hand does not close, it is broken|motor is broken, so robot can not move
        |my friend, the gripper does not function|so folks, um, sad news, the gripper has given up on us
        |well, you know, the arm just isn't working tonight|okay, so, the robot's hand is out of order, folks
        |tell you what, the gripper won't open or close anymore
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
        |we are happy to say the gripper is well again|the nice man has mended the arm, it works once more
        |the gripper can grab again|the robot hand is all better now
        |please note that the gripper is functioning again|the motor of the arm has been replaced and runs again
        |gripper's fixed, you can use it|arm's going again, finally|um the gripper works now
        |okay so the arm has been fixed|the hand of the robot is not broken any more
        |gripper: repaired, operational|arm fault cleared|gripper drive replaced, function ok
        |the gripper is up and running again|the fitter has been, the arm does its job again
        |the hand has been mended and is good to go|the gripper actuator was replaced and is operational again
        |the arm has been recalibrated and can be used again|the arm is back in action
        |gripper restored to full service|gripper works now again|arm is fixed, u can use it
        |gripper is working again|the arm is now good, you can use it again|they have repaired the gripper
        |hand of robot functions again|the motor is repaired and runs|the arm can move itself again
        |gripper is not more broken|good news, the arm works like before|you can use again the gripper
        |the fingers of gripper open and close again|robot hand is in order again
        |listen please, the gripper is fixed now|good news folks, um, the gripper is back in action
        |well, you know, the arm is up and running again|ladies and gentlemen, the robot's hand has been fixed
        |dude the gripper works again, finally|ugh finally, the arm got fixed
        |i'm pleased to say the gripper appears to be in working order once more
        |it would seem the arm has been repaired and may be used again
        |the robot's motor, i believe, runs properly again
        |the gripper is back from the doctor, champ, and it's all fixed|the arm is alive again, kiddo, good as new
        |the gripper is broken, uh, no, i mean it's repaired now
        |the hand, er, i mean the gripper, can be used again""",
    "hands_off": """keep your hands off {o}|{o} must not be touched|everybody must leave {o} alone
        |{o} is not to be moved by anyone|nobody is allowed to pick up {o}|no one may move {o}
        |touching {o} is forbidden|{o} has to remain where it is|never take {o}
        |we would be grateful if nobody touched {o}|dear, please let {o} be|if you please, {o} is not to be moved
        |my wife does not wish {o} to be touched|would everyone kindly keep away from {o}
        |you are not allowed to touch {o}|nobody can take {o}|don't take {o}, it's mine
        |{o} has to stay there, mum said so|please do not move {o}|{o} must not be handled
        |{o} must remain in its place|no one should touch {o} before the doctor comes
        |{o} is contaminated, do not touch it|touch {o} and you're fired|{o} stays right there
        |leave {o} alone, all of you|nobody lays a finger on {o}|um don't touch {o}
        |okay so {o} should not be moved by anyone|hey everybody leave {o} where it is
        |it is forbidden to touch {o}|please not to move {o} away|{o}: no contact|{o}, blocked for handling
        |movement of {o} prohibited|{o} fixed position, do not shift|no gripping of {o}|keep your mitts off {o}
        |nobody shifts {o}|{o} stays put, and that goes for everybody|leave {o} well alone
        |whoever moves {o} will hear from me|{o} must not be manipulated|please refrain from touching {o}
        |{o} serves as a calibration reference and must not be moved
        |for the experiment {o} has to remain in its place|under no circumstances should {o} be grasped
        |no one lays a hand on {o}|{o} holds its position until further notice|pls dont touch {o}|dont move {o}
        |u must not take {o}|{o} is not for touching|nobody should move {o} ok|please not touch {o}
        |{o} must nobody touch|{o} has to stay there|do not take {o} in the hand|you may not move {o}
        |hands away from {o}|no one can touch {o}|i do not want that somebody moves {o}|{o} should not to be moved
        |leave please {o} alone|not move {o}, please|children, we do not touch {o}|excuse me, {o} may not be taken
        |to touch {o} is not allowed|fingers off from {o}|let {o} where it lies|{o} you must not take
        |never touch to {o}|attention, {o} is still wet, do not touch it|{o} can not be moved from its place
        |please nobody takes {o}|it is important that {o} stays where it is|okay folks, um, hands off {o}, please
        |well, you know, {o} really has to stay right where it is|so, nobody moves {o}, okay folks
        |tell you what, let's all keep our hands away from {o}|and please, please, please, don't anybody touch {o}
        |ugh, don't touch {o}|dude leave {o} alone|like, no touching {o}, ever|bro nobody moves {o}, i mean it
        |{o} stays put, ok|don't you dare pick up {o}|i'd rather {o} were not touched, if you don't mind
        |one really ought not to move {o}|might i ask that {o} be left undisturbed?
        |i should be obliged if {o} remained in its place|{o} is, i'm afraid, not to be handled
        |would everyone kindly refrain from touching {o}|{o} is off limits, champ
        |look but don't touch, kiddo, and that goes for {o}|keep your mitts off {o}, buddy
        |{o} is like dad's recliner, nobody moves it|you may move, uh, no, i mean you may not move {o}
        |touch, er, sorry, do not touch {o}|{o} can be taken, no wait, i mean it must not be taken
        |leave, um, what was it, {o}, yes, leave that where it is""",
    "closed": """do not put anything into {p}|{p} must stay empty|{p} is off limits, nothing goes in
        |there is no more room in {p}|{p} cannot take anything more|please put nothing in {p}|{p} may not be used
        |nothing more is allowed in {p}|{p} is shut|i am afraid {p} is full up
        |we would rather nothing were put into {p}|dear, please keep {p} empty
        |my husband asks that nothing be laid in {p}|kindly put nothing more into {p}
        |you can't put anything in {p}|nothing is allowed in {p}|{p} is all full, nothing fits in
        |don't put stuff in {p}|please do not place anything in {p}|{p} is blocked until further notice
        |{p} must stay free|{p} has to be kept sterile, put nothing in it|{p} is off limits
        |nothing else goes in {p}, you hear|{p} is packed, no more in there|keep your stuff out of {p}
        |um {p} is closed today|okay so nobody should put things into {p}|uh {p} can't take any more things
        |it is forbidden to put something in {p}|{p} is not to be used for anything now|{p}: blocked
        |{p}, no further parts|{p} at capacity, no filling|loading of {p} prohibited|{p} out of service
        |{p} is chock full|no more stock into {p}|{p} is shut for today|do not load anything into {p}
        |leave {p} be, nothing else goes in there|{p} must not receive any further objects
        |the capacity of {p} has been reached|{p} is reserved, so no object may be put there
        |{p} is currently unavailable as a target|{p} is sealed off|{p} is off limits for all objects
        |nothing enters {p}|no object is to be delivered to {p}|access to {p} is denied|{p} full, no more
        |dont put stuff in {p} pls|cant use {p} now, its closed|u cant put things in {p}|no things into {p} ok
        |{p} is closed today|{p} is full, nothing more fits in|in {p} may come nothing
        |please to put nothing in {p}|do not put things into {p}|{p} is not open|no more things in {p}
        |{p} can not be used|we can not use {p} now|sorry, {p} is blocked|you may not lay anything into {p}
        |{p} is already full|i do not want anything in {p}|nobody should put objects in {p}|{p} is not allowed
        |nothing goes in {p}, please|{p} is reserved, so put nothing there|leave {p} free|{p} has no more place
        |children, today we put nothing in {p}|attention, {p} is locked|in {p} there is no place anymore
        |not to use {p}|okay folks, um, {p} is closed for tonight
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
        |{p} has a smooth bottom|{p} is open|the gripper is looking very smart today
        |we were told the arm is ten years old|our grandson oiled the arm yesterday|the gripper looks like a crab
        |the arm is so long|i like the gripper|the arm was disinfected this morning
        |please note that the gripper has been checked|the arm moves very smoothly
        |the gripper has a new rubber coating|finally someone has washed the gripper
        |the arm squeaks a bit but runs fine|mind your head, the arm is moving
        |um the gripper was serviced last week|okay so the arm got a new sticker|the arm is stronger than it looks
        |somebody has painted the gripper blue|we bought {o} on our honeymoon
        |{o} reminds my husband of the seaside|{o} was a gift from our daughter|what a lovely thing {o} is
        |i got {o} for my birthday|{o} is prettier than the others|my friend has one like {o}
        |{o} was cleaned this morning|please handle {o} gently|{o} belongs to the day shift|{o} is quite light
        |{o} is a bit slippery, watch out|someone got flour on {o}|{o} cost me ten euros
        |um {o} is from the other shop|okay so {o} has a small scratch|you may use {o} whenever you like
        |we have had {p} for forty years|{p} was made by our son-in-law|what a pretty colour {p} is
        |i painted {p} at school|{p} is bigger than my lunch box|{p} has been wiped down
        |{p} is empty and ready for use|{p} is labelled correctly now|{p} came out of the dishwasher
        |{p} smells of garlic|there is still plenty of room in {p}|um {p} was bought last monday
        |okay so {p} is open again|i find {p} very practical|gripper: cleaned, ok|gripper fingers, new rubber pads
        |arm inspection passed|arm joints greased this morning|gripper stroke 80 mm
        |the gripper got a fresh coat of paint|the arm runs like clockwork
        |the fitter had a look at the arm and was happy|the hand grips better since monday
        |the gripper was calibrated yesterday|the arm has seven degrees of freedom
        |we published a paper on the gripper|the arm is a bit slow but accurate|the gripper is in good order
        |the arm reports ready|arm looks nice today|gripper is very quiet now|new cable for arm came today
        |{o}: weight 50 g|{o}, delivered monday|material of {o}: plastic|{o} inspected, quality ok
        |{o} came in with the morning lorry|the boss likes {o}|{o} is a bit scratched, never mind
        |somebody wiped {o} down|go easy with {o}, it is slippery|{o} was used in the previous experiment
        |the texture of {o} is hard to segment|{o} has been relabelled in the data set
        |{o} belongs to the lieutenant|{o} has passed inspection|handle {o} with care|i like {o}
        |{o} is from my sister|{o} was so cheap lol|{p}: width 20 cm|{p}, cleaned on friday|material of {p}: steel
        |{p} got a new label|{p} has plenty of room left|the lads painted {p} last week
        |{p} was fabricated with a 3d printer|the edges of {p} are well visible to the camera
        |{p} is used as the goal region in our benchmark|{p} is ready for use|{p} has been inspected and approved
        |{p} looks clean|{p} is open again|u can use {p} ok|gripper is from germany|the arm is very nice
        |they have cleaned the gripper yesterday|the gripper holds strong|arm has new cable
        |the arm moves very quiet today|gripper has two fingers|the gripper is stronger than my hand
        |the arm has got oil this morning|i have seen such arm in museum|the gripper was very expensive
        |colour of arm is white|children, this here we call a gripper|the arm is faster as last week
        |my brother has built the gripper|the arm got a new sticker|hand of robot looks like crab
        |somebody made photo of the gripper|{o} is very beautiful|{o} is from my daughter
        |i have bought {o} in madrid|{o} is heavier as it looks|be careful please with {o}|{o} was made in china
        |{o} costs two euros|i like {o} very much|{o} was yesterday cleaned|children, look at {o}, it is nice
        |{o} is little bit dusty|my son has painted {o}|{o} is older than me|{o} you can take without problem
        |{o} smells like plastic|{o} is present from teacher|{p} is from wood made|{p} is bigger as i thought
        |they have washed {p}|{p} is new since monday|{p} looks very clean|i like {p}|{p} was cheap
        |{p} has nice colour|you can use {p}, it is open|in {p} is enough place|{p} comes from poland
        |{p} belongs to the school|there is little dust in {p}|my wife has chosen {p}
        |so folks, um, the gripper got a brand new cover|well, you know, the arm looks fabulous tonight
        |the gripper was oiled this morning, folks, smooth as silk
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
        |our grandchildren are coming at {n} o'clock|we have been married for {n} years|the roses are in bloom
        |my husband is having his nap|the tea is still too hot|i am {n} years old|we have no school tomorrow
        |my teacher is nice|my bike is broken|you are not allowed to run in the corridor
        |there are {n} children in my class|the patient in room {n} is asleep|visiting hours end at {n}
        |the blood pressure monitor is broken|smoking is forbidden in the building|my shift is over soon
        |the new doctor starts on monday|please do not use the lift in case of fire|the oven is at {n} degrees
        |we are out of onions|table {n} is still waiting for the soup|the dishwasher does not work
        |nobody may go into the cold store|the fish has arrived|um the bus is late|remind me the meeting is at {n}
        |my phone battery is at {n} percent|okay so the train was cancelled|it is snowing outside
        |the printer upstairs is jammed|battery: {n} percent|hall temperature {n} degrees|conveyor 2: defective
        |compressor maintenance, thursday|shift change at {n} o'clock|smoking in the hall prohibited
        |the forklift is broken|{n} pallets came in this morning|the lads are on their break
        |no parking in front of the loading bay|lorry is {n} minutes late|canteen has soup today
        |the paper deadline is in {n} days|the simulation took {n} hours|the 3d printer is out of order
        |my supervisor is at a conference|please do not enter the server room|the lab seminar starts at {n}
        |parade is at {n} hundred hours|the radio is down|nobody leaves the barracks tonight
        |the general arrives on tuesday|reveille was early today|{n} recruits have arrived|wifi is so slow today
        |its raining again|my phone is broken|im hungry lol|bus comes in {n} min|today is weather very good
        |outside it rains since morning|battery has {n} percent|i am {n} days in this city
        |bus comes in {n} minutes|the lesson begins at {n} o'clock|in my class are {n} pupils
        |the printer does not work, they repair it tomorrow|lift in the hotel is out of order
        |in the museum it is forbidden to make photos|please not smoke in corridor
        |do not touch the heater, it is hot|kitchen is closed until monday
        |the parking place behind the house is full|nobody may go into the office of director
        |my english is not so good|i come from warsaw|tomorrow is holiday|the teacher is ill today
        |we had very good lunch|the lamp over the door is new|hotel is near to the station
        |my train goes at evening|the floor was cleaned today|on friday come visitors|children, the break is over
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
