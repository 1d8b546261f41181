"""A UTDF file of one signal with eight phases in two rings, left turns permitted on two sides."""

CORNER = """\
[Network]
Network Settings
RECORDNAME,DATA
UTDFVERSION,8
Metric,0

[Nodes]
Node Data
INTID,TYPE,X,Y,Z,DESCRIPTION
1,0,0,0,0,Corner
2,1,0,1500,0,
3,1,0,-1500,0,
4,1,-1500,0,0,
5,1,1500,0,0,

[Links]
Link Data
RECORDNAME,INTID,NB,SB,EB,WB
Up ID,1,3,2,4,5
Distance,1,1500,1500,1500,1500
Speed,1,35,35,40,40

[Lanes]
Lane Group Data
RECORDNAME,INTID,NBL,NBT,NBR,SBL,SBT,SBR,EBL,EBT,EBR,WBL,WBT,WBR
Dest Node,1,4,2,5,5,3,4,2,5,3,3,4,2
Lanes,1,1,2,0,1,2,0,1,2,1,1,2,1
Phase1,1,3,8,8,7,4,4,5,2,2,1,6,6
PermPhase1,1,8,,,4,,,,,,,,
Volume,1,140,420,60,120,510,70,180,980,110,150,760,90
SatFlow,1,1710,3450,0,1710,3460,0,1770,3540,1580,1770,3540,1580

[Timeplans]
Timing Plan Settings
RECORDNAME,INTID,DATA
Cycle Length,1,120
Offset,1,0

[Phases]
Phasing Data
RECORDNAME,INTID,D1,D2,D3,D4,D5,D6,D7,D8
BRP,1,111,112,211,212,121,122,221,222
MinGreen,1,5,12,5,8,5,12,5,8
MaxGreen,1,15,43.5,10,31.5,15,43.5,10,31.5
Yellow,1,3.5,4,3.5,4,3.5,4,3.5,4
AllRed,1,1,1.5,1,1.5,1,1.5,1,1.5
Walk,1,,7,,7,,7,,7
DontWalk,1,,11,,14,,11,,14
"""
