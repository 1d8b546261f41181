"""A UTDF file as somebody else might write it: two signals on Main Street, one with two rings."""

TOWN = """\
[Network]
Network Settings
RECORDNAME,DATA
UTDFVERSION,8
Metric,0

[Nodes]
Node Data
INTID,TYPE,X,Y,Z,DESCRIPTION
1,0,0,0,0,Main and First
2,0,1320,0,0,Main and Second
3,2,600,0,0,
4,1,-900,0,0,
5,1,2000,0,0,
6,1,0,900,0,
7,1,1320,900,0,

[Links]
Link Data
RECORDNAME,INTID,NB,SB,EB,WB
Up ID,1,,6,4,3
Distance,1,,900,900,600
Speed,1,,30,30,30
Time,1,,20.5,*,13.6
Up ID,2,,7,3,5
Distance,2,,900,720,680
Speed,2,,30,30,30
Up ID,3,,,1,2
Distance,3,,,600,720
Speed,3,,,30,30

[Lanes]
Lane Group Data
RECORDNAME,INTID,SBL,SBT,SBR,EBL,EBT,EBR,WBL,WBT,WBR,PED,HOLD
Dest Node,1,3,,4,6,3,,,4,6,,
Lanes,1,1,,0,1,2,,,2,0,,
Shared,1,2,,0,0,0,,,2,0,,
Phase1,1,4,,4,1,6,,,2,2,,
PermPhase1,1,,,,6,,,,,,,
Volume,1,100,,50,80,700,,,*500,20,,
SatFlow,1,*1600,,0,1750,3500,,,3400,0,,
Dest Node,2,5,,3,7,5,,,3,7,,
Lanes,2,1,,0,0,2,,,2,0,,
Phase1,2,4,,4,6,6,,,2,2,,
Volume,2,60,,60,0,600,,,420,30,,

[Timeplans]
Timing Plan Settings
RECORDNAME,INTID,DATA
Cycle Length,1,80
Referenced To,1,0
Reference Phase,1,206
Offset,1,10
Cycle Length,2,*
Reference Phase,2,206
Referenced To,2,0
Offset,2,30

[Phases]
Phasing Data
RECORDNAME,INTID,D1,D2,D3,D4,D5,D6,D7,D8
BRP,1,111,112,,211,,121,,
MinGreen,1,5,10,,7,,10,,
MaxGreen,1,11,31,,24,,46,,
Yellow,1,3,4,,3,,4,,
AllRed,1,1,1,,2,,1,,
Walk,1,,7,,,,,,
DontWalk,1,,12,,,,,,
BRP,2,,111,,211,,121,,
MinGreen,2,,10,,7,,10,,
MaxGreen,2,,45,,25,,45,,
Yellow,2,,4,,4,,4,,
AllRed,2,,1,,0,,1,,
"""
