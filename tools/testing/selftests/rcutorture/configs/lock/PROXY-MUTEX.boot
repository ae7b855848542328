locktorture.torture_type=mutex_lock
locktorture.nested_locks=8
locktorture.nwriters_stress=24
locktorture.onoff_interval=1
locktorture.onoff_holdoff=2
torture.random_shuffle=1
